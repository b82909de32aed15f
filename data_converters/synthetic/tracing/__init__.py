"""Solids, ground and the rays that meet them."""
