"""Pretrained models from a hub or from disk, named `<family>:<name>` in the config of an extraction."""
