"""Synthetic worlds: seeded towns and campuses, ray cast through the project's own camera models."""
