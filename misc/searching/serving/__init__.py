"""The search page: a small server of one collection."""
