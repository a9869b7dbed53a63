"""Output of a run: log lines, TensorBoard events, tables and metrics files."""
