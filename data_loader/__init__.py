"""From feature archives to padded batches."""
