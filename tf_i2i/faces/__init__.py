"""Faces in photos: found, brought to one place, put back."""
