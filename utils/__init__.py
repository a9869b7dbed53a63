"""Errors, files, signals, progress, safe loading, downloads, unpacking, jobs, the allocator, and the ranking page."""
