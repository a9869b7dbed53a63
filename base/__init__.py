"""Config schema, registry, run folders, checkpoints, device, monitor: what every command on an experiment uses.

The registry finds models, losses and metrics by name.
"""
