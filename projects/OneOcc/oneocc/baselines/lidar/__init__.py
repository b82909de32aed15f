"""Methods that complete the scene from LiDAR points."""
