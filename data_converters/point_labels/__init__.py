"""Labels of the points of a recording: from image masks, by hand, by motion."""
