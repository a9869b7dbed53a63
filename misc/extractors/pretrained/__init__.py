"""Models by name, from a hub or from disk: `<family>:<name>` in the config of an extraction."""
