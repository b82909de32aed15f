"""Streets, towns and campuses and what stands and walks there."""
