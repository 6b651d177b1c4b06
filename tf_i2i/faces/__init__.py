"""Faces in photos: detection, aligned crops, and pasting crops back."""
