"""Encoders of the views."""
