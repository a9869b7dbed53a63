"""What an experiment stands on: its config's schema, its folders, its device, its checkpoints and its monitor."""
