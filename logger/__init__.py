"""What a run tells people and programs: log lines, TensorBoard events, tables and metrics files."""
