"""Scores of a trained translator's images, beside those of cheats."""
