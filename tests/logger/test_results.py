"""Tables for people."""

from logger.results import format_table


def test_a_row_a_direction_and_a_column_a_metric():
    values = {"t2v_metrics": {"R1": 12.34, "MedR": 5.0}, "v2t_metrics": {"R1": 1.0, "MedR": 106.5}}
    rows = [line.split() for line in format_table(values).splitlines()]
    assert rows == [["R1", "MedR"], ["t2v", "12.3", "5.0"], ["v2t", "1.0", "106.5"]]
    assert len({len(line) for line in format_table(values).splitlines()}) == 1  # aligned
    spread = {"t2v_metrics": {"R1": 0.5, "MedR": 0.0}, "v2t_metrics": {"R1": 0.25, "MedR": 3.0}}
    assert "12.3 (0.5)" in format_table(values, spread) and "106.5 (3.0)" in format_table(values, spread)
