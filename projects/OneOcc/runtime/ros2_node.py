"""A ROS 2 node around the runtime: subscribes to one image topic, publishes points and grid. Glue alone.

    python -m projects.OneOcc.runtime.ros2_node --ros-args -p bundle:=/path/to/bundle -r image:=/camera/image_raw

Not run by the tests: rclpy comes with a ROS 2 installation, not from a package registry. What it calls is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from .occ_runtime import OccRuntime
from .ros2_messages import GRID, POINT_CLOUD, occupancy_grid, point_cloud
from .sources import FrameError, raw_image


class RclpyTypes:
    """rclpy's message classes under the names of a typestore: `types['sensor_msgs/msg/PointCloud2']`."""

    def __getitem__(self, name: str) -> Callable[..., Any]:
        package, _, kind = name.split('/')
        return getattr(importlib.import_module(f'{package}.msg'), kind)


def main() -> None:
    """Spin until interrupted."""
    import rclpy
    from rclpy.node import Node
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image

    types = RclpyTypes()

    class OccupancyNode(Node):
        def __init__(self) -> None:
            super().__init__('oneocc')
            bundle = self.declare_parameter('bundle', '').value
            provider = self.declare_parameter('provider', 'cpu').value
            self.frame_id = self.declare_parameter('frame_id', 'base_link').value
            self.clearance = self.declare_parameter('clearance', 0.8).value
            self.runtime = OccRuntime(bundle, provider)
            self.runtime.warm_up()
            self.points = self.create_publisher(types[POINT_CLOUD], 'occupancy/points', 1)
            self.grid = self.create_publisher(types[GRID], 'occupancy/grid', 1)
            # sensor data: best effort, depth 5; frames that come during a prediction are dropped by the queue
            self.create_subscription(Image, 'image', self.on_image, qos_profile_sensor_data)

        def on_image(self, message: Any) -> None:
            stamp = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
            try:
                result = self.runtime(raw_image(message, 'image'), stamp)
            except (FrameError, ValueError) as error:
                self.get_logger().warning(str(error), throttle_duration_sec=5.0)
                return
            for publisher, made in (
                (self.points, point_cloud(types, result, stamp, self.frame_id)),
                (self.grid, occupancy_grid(types, result, stamp, self.frame_id, self.clearance)),
            ):
                made.header.stamp = message.header.stamp  # exactly, not through a float
                publisher.publish(made)

    rclpy.init()
    node = OccupancyNode()
    try:
        rclpy.spin(node)
    finally:
        node.destroy_node()
        rclpy.shutdown()


if __name__ == '__main__':
    main()
