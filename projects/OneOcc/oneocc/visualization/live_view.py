"""A live viewer in the browser on viser: several rides side by side, layer by layer, over time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.formats.labels import UNKNOWN
from .faces import shaded_colours, surface_faces
from .palette import ERROR_PALETTE, UNKNOWN_COLOUR, colour_table, error_labels
from .ride import Ride, RideMoment

LAYERS = ('prediction', 'ground truth', 'error', 'probability', 'unknown')
_GAP = 1.12  # of two grids side by side, in grid widths
_SURE, _UNSURE = np.array((38, 70, 160)), np.array((250, 214, 60))


class ViewerError(RuntimeError):
    """The viewer cannot start; the message says what is missing."""


class LiveView:
    """Serves rides at an address; runs until it is stopped.

    Args:
        rides: at least one; the same moment of all of them is shown.
        host, port: where; 127.0.0.1 is this machine alone, port 0 a free one.
        live: seconds between looks for new moments; None never looks.

    Raises:
        ViewerError: viser is not installed, or there is no ride.
    """

    def __init__(self, rides: Sequence[Ride], host: str = '127.0.0.1', port: int = 8080, live: float | None = None):
        try:
            import viser
        except ImportError as error:
            raise ViewerError('the viewer needs viser: pip install oneocc[view], or pip install viser') from error
        if not rides:
            raise ViewerError('expected at least one ride, got none')
        self.rides = list(rides)
        self.server: Any = viser.ViserServer(host=host, port=port or _free_port(host), verbose=False, label='OneOcc')
        self.server.scene.set_up_direction('+z')
        self._lock = threading.RLock()
        self._gui: dict[str, Any] = {}
        self._drawn: dict[str, Any] = {}
        self._moments: list[RideMoment] = []
        self._stopped = threading.Event()
        self._build()
        self.show(0)
        self.server.on_client_connect(self._place_camera)
        for interval, action in ((live, self._look_for_more), (0.25, self._step_while_playing)):
            if interval is not None:
                threading.Thread(target=self._every, args=(interval, action), daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server.get_port())

    def stop(self) -> None:
        """End the server."""
        self._stopped.set()
        self.server.stop()

    def wait(self) -> None:
        """Serve until interrupted."""
        self._stopped.wait()

    def _build(self) -> None:
        """The panel: time, layers, what else is drawn. Buttons carry the names that keys press."""
        gui = self.server.gui
        gui.configure_theme(control_layout='collapsible', dark_mode=False, show_logo=False, show_share_button=False)
        last = max(self._length() - 1, 1)
        with gui.add_folder('Ride'):
            self._gui['frame'] = gui.add_slider('frame', 0, last, 1, 0)
            self._gui['play'] = gui.add_checkbox('play', False)
            steps = gui.add_button_group('step', ('back', 'next'))
            self._gui['moment'] = gui.add_markdown('')
        with gui.add_folder('Layer'):
            self._gui['layer'] = gui.add_dropdown('layer', LAYERS, initial_value='prediction')
            self._gui['known'] = gui.add_checkbox('only what is known', False)
        with gui.add_folder('Also'):
            self._gui['points'] = gui.add_checkbox('LiDAR points', True)
            self._gui['camera'] = gui.add_checkbox('camera', True)
            self._gui['dark'] = gui.add_checkbox('dark', False)
        first = self.rides[0].moment(0).panorama
        self._gui['panorama'] = None if first is None else gui.add_image(first.image, 'panorama', jpeg_quality=80)
        with gui.add_folder('Classes', expand_by_default=False):
            # the client reads MDX: styles are objects
            rows = [
                f'<span style={{{{color: "rgb({r},{g},{b})"}}}}>\u25a0</span> {name.replace("_", " ")}'
                for name, (r, g, b) in zip(self.rides[0].classes, self.rides[0].palette)
            ]
            gui.add_markdown('  \n'.join(rows))
        self._gui['frame'].on_update(lambda _: self.show(self._gui['frame'].value))
        steps.on_click(lambda event: self.step(1 if event.target.value == 'next' else -1))
        for name in ('layer', 'known', 'points', 'camera'):
            self._gui[name].on_update(lambda _: self.draw())
        self._gui['dark'].on_update(lambda _: self._darken())

    def show(self, index: int) -> None:
        """Show a moment of all rides."""
        with self._lock:
            index = int(np.clip(index, 0, self._length() - 1))
            self._moments = [ride.moment(min(index, len(ride) - 1)) for ride in self.rides]
            first = self._moments[0]
            self._gui['moment'].content = f'{first.name}, {first.time:.2f} s'
            if first.panorama is not None and self._gui['panorama'] is not None:
                self._gui['panorama'].image = first.panorama.image
            self.draw()

    def step(self, by: int) -> None:
        """Go some moments on, round the end."""
        self._gui['frame'].value = (int(self._gui['frame'].value) + by) % max(self._length(), 1)

    def draw(self) -> None:
        """Draw the moment anew as the panel says."""
        with self._lock, self.server.atomic():
            for handle in self._drawn.values():
                handle.remove()
            self._drawn = {}
            for index, (ride, moment) in enumerate(zip(self.rides, self._moments)):
                self._draw_ride(f'/ride{index}', ride, moment, self._place(index))

    def _draw_ride(self, name: str, ride: Ride, moment: RideMoment, place: np.ndarray) -> None:
        """Add what is switched on of a ride's moment; its ego frame lies at `place` (3,), metres in the scene."""
        scene, layer = self.server.scene, self._gui['layer'].value
        mesh = layer_mesh(ride, moment, layer, bool(self._gui['known'].value))
        if mesh is not None:
            self._keep(name + '/voxels', scene.add_mesh_trimesh(name + '/voxels', mesh, position=place))
        words = ride.name if mesh is not None else f'{ride.name}: no {layer}'
        top = place + (ride.grid.upper[0], 0.0, ride.grid.upper[2] + 1.0)
        self._keep(name + '/name', scene.add_label(name + '/name', words, position=top))
        if self._gui['points'].value and moment.points is not None:
            low, high = np.array(ride.grid.origin[:2]), np.array(ride.grid.upper[:2])
            flat = moment.points[:, :2]
            points = moment.points[((flat >= low) & (flat <= high)).all(axis=1)]  # rides beside it have their own
            cloud = scene.add_point_cloud(
                name + '/points', points, (20, 20, 24), point_size=0.05, position=place, point_shape='circle'
            )
            self._keep(name + '/points', cloud)
        if self._gui['camera'].value and moment.panorama is not None:
            self._keep(name + '/camera', self._add_camera(name + '/camera', moment, place))

    def _add_camera(self, name: str, moment: RideMoment, place: np.ndarray) -> Any:
        """A frustum at the lens that looks ahead, a quarter of the panorama in it; `place` (3,) as of `_place`."""
        assert moment.panorama is not None
        image, view = moment.panorama.image, moment.panorama.view
        width = image.shape[1]
        ahead = image[:, 3 * width // 8 : 5 * width // 8]
        low, high = view.camera.elevation_range
        eye = -view.cam_from_ego[:3, :3].T @ view.cam_from_ego[:3, 3]
        return self.server.scene.add_camera_frustum(
            name,
            fov=min(high - low, 2.0),
            aspect=ahead.shape[1] / ahead.shape[0],
            scale=0.8,
            image=ahead,
            wxyz=(0.5, -0.5, 0.5, -0.5),  # the camera's z ahead, its x right, its y down
            position=place + eye,
        )

    def _keep(self, name: str, handle: Any) -> None:
        self._drawn[name] = handle

    def _place(self, index: int) -> np.ndarray:
        """Where in the scene the ego frame of a ride lies, (3,) metres: the first one on the left."""
        width = sum(_GAP * (ride.grid.upper[1] - ride.grid.origin[1]) for ride in self.rides[:index])
        return np.array((0.0, -width, 0.0))

    def _length(self) -> int:
        return max(len(ride) for ride in self.rides)

    def _place_camera(self, client: Any) -> None:
        """Behind the robots, high enough to see all of them."""
        span = self.rides[0].grid.upper[0] - self.rides[0].grid.origin[0]
        middle = self._place(len(self.rides) - 1) / 2
        reach = span * (1.1 + 0.45 * (len(self.rides) - 1))
        client.camera.position = middle + np.array((-reach, 0.25 * span, 0.85 * reach))
        client.camera.look_at = middle

    def _darken(self) -> None:
        dark = bool(self._gui['dark'].value)
        self.server.gui.configure_theme(
            control_layout='collapsible', dark_mode=dark, show_logo=False, show_share_button=False
        )

    def _every(self, seconds: float, action: Callable[[], None]) -> None:
        while not self._stopped.wait(seconds):
            action()

    def _step_while_playing(self) -> None:
        if self._gui['play'].value:
            self.step(1)

    def _look_for_more(self) -> None:
        """New moments of a run that goes on: the newest is shown, unless somebody looks at an earlier one."""
        before = self._length()
        try:
            grown = any([ride.refresh() for ride in self.rides])
        except (OSError, ValueError):
            return  # a file that is being replaced; the next look finds it
        if grown:
            slider = self._gui['frame']
            at_end = int(slider.value) >= before - 1
            slider.max = max(self._length() - 1, 1)
            if at_end:
                slider.value = self._length() - 1


def _free_port(host: str) -> int:
    with socket.socket() as found:
        found.bind((host, 0))
        return int(found.getsockname()[1])


def layer_mesh(ride: Ride, moment: RideMoment, layer: str, only_known: bool = False) -> Any:
    """The coloured surface of one layer as a trimesh; None where the moment does not have it, or it is empty.

    Args:
        ride, moment: of which.
        layer: of `LAYERS`. 'probability' colours the prediction from unsure (yellow) to sure (blue); 'unknown' shows
            matter that was predicted where the camera cannot know.
        only_known: leave out voxels whose truth is unknown, or that the camera cannot know.
    """
    import trimesh

    found = _layer(ride, moment, layer)
    if found is None:
        return None
    labels, table = found
    if only_known:
        labels = np.where(known_voxels(moment, labels.shape), labels, 0).astype(np.uint8)
    faces = surface_faces(labels, ride.grid)
    if not len(faces.labels):
        return None
    colours = shaded_colours(faces, table, labels.shape[2])
    number = len(faces.labels)
    corners = np.arange(4 * number).reshape(number, 4)
    # Round a face as seen from outside: lower sides and the y axis run the other way.
    flipped = (faces.directions % 2 == 0) != (faces.directions // 2 == 1)
    corners[flipped] = corners[flipped][:, ::-1]
    triangles = np.concatenate((corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]))
    return trimesh.Trimesh(
        faces.corners.reshape(-1, 3),
        triangles,
        vertex_colors=np.repeat(colours, 4, axis=0),
        process=False,
    )


def known_voxels(moment: RideMoment, shape: tuple[int, ...]) -> np.ndarray:
    """(X, Y, Z) bool: the truth is known; without a truth, the camera can know."""
    truth = moment.volumes.get('ground truth')
    if truth is not None:
        return truth != UNKNOWN
    return np.ones(shape, dtype=bool) if moment.unknown is None else ~moment.unknown


def _layer(ride: Ride, moment: RideMoment, layer: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Labels (X, Y, Z) uint8, 0 for air, and their colours (256, 3)."""
    prediction, truth = moment.volumes.get('prediction'), moment.volumes.get('ground truth')
    if layer == 'error':
        if prediction is None or truth is None:
            return None
        return _without_unknown(error_labels(prediction, truth)), colour_table(ERROR_PALETTE)
    if layer == 'probability':
        if prediction is None or moment.probability is None:
            return None
        steps = 1 + np.clip(moment.probability * 16, 0, 15).astype(np.uint8)
        shares = np.linspace(0, 1, 16)[:, None]
        return np.where(prediction > 0, steps, 0).astype(np.uint8), colour_table(_UNSURE + shares * (_SURE - _UNSURE))
    if layer == 'unknown':
        unknown = moment.unknown if truth is None else truth == UNKNOWN
        if unknown is None:
            return None
        matter = unknown if prediction is None else unknown & (prediction > 0)
        return matter.astype(np.uint8), colour_table([UNKNOWN_COLOUR])
    volume = moment.volumes.get(layer)
    return None if volume is None else (_without_unknown(volume), colour_table(ride.palette))


def _without_unknown(labels: np.ndarray) -> np.ndarray:
    """Labels (X, Y, Z) with 0 in the place of 255, as uint8: nothing is drawn there."""
    return np.where(labels == UNKNOWN, 0, labels).astype(np.uint8)
