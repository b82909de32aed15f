# The label grid of QuadOcc and its twin: 25.6 m around the robot, from 1.2 m below the sensor up.
grid = dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -1.2))
