"""Helpers for every other package: errors, files, signals, progress, safe loading, and the ranking page."""
