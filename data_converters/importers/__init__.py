"""Public data sets, each read in its own layout: one module a set, chosen by create_data.py."""
