"""Benchmarks of `misc/benchmark.py`, most of which compare with a plain implementation in the same run."""
