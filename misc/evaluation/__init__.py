"""Evaluations of search, of moments and of the recognition of speech."""
