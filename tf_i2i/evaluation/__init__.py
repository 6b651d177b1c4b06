"""Scores of a translator, and of cheats (baselines without a translator)."""
