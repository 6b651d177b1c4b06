"""Runs: configuration, phases, checkpoints, and what is shown meanwhile."""
