"""Config schema, registry, run folders, checkpoints, device and monitor, for every command on an experiment."""
