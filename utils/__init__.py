"""Helpers for every other package, such as errors, files, signals, progress, safe loading, and the ranking page.

`download` and `unpack` are for archives, `jobs` for parallel commands, and `allocator` for the speed of a training.
"""
