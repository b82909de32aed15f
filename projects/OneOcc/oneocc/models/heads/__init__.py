"""From volumes to label grids, with their losses."""
