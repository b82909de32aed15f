"""From bags and folders of a robot to recordings: readers, time alignment, ego motion, one writer."""
