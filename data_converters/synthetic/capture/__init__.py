"""The robot in the place: gait, sensors, rigs, and the recording of a ride."""
