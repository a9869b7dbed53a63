"""Config schema, run folders, checkpoints, device and monitor: what every command on an experiment uses."""
