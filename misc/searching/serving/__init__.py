"""Serve the search page of a collection."""
