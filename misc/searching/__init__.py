"""Search: a collection embedded with a checkpoint, in an index that returns what the model's score would."""
