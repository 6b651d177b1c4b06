"""Training of runs: settings, phases, checkpoints, logs and progress."""
