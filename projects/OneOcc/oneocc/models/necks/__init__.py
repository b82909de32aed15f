"""3D networks over the lifted volumes."""
