"""OneOcc: dense 3D semantic occupancy around a legged robot from one panoramic camera."""
