"""What a robot, a label script and the plug-in share: geometry, file formats, operators. torch and numpy, no mm*."""
