"""The tables of the README come from runs."""

import json
import sys
from pathlib import Path

import pytest

from misc import gen_readme
from misc.ridge_baseline import ridge_results

NAMES = (*gen_readme.COLUMNS, "geometric_mean_R1-R5-R10")


@pytest.fixture
def runs(workplace, monkeypatch):
    """Two runs of one experiment, a README with a table of it, and the command."""
    monkeypatch.setattr(gen_readme, "TABLES", {"toy": ("configs/toy/train-ce.json", [("CE", "toy-train-ce")])})
    monkeypatch.setattr(sys, "argv", ["gen_readme.py"])
    for time, value, leaky in (("2026-01-02_00-00-00", 34.56, False), ("2026-01-01_00-00-00", 99, False)):
        folder = Path("data/saved/models/toy-train-ce") / time
        folder.mkdir(parents=True)
        values = {direction: dict.fromkeys(NAMES, value) for direction in ("t2v_metrics", "v2t_metrics")}
        (folder / "summary.json").write_text(json.dumps({"mean": values, "std": values, "leaky": leaky}))
    Path("README.md").write_text("before\n<!-- results: toy -->\nold\n<!-- end of results -->\nafter\n")


def test_the_newest_run_fills_the_table_and_nothing_else_changes(runs):
    gen_readme.main()
    text = Path("README.md").read_text()
    assert text.startswith("before\n<!-- results: toy -->\n|") and text.endswith("|\n<!-- end of results -->\nafter\n")
    assert "old" not in text and "99" not in text
    row = next(line for line in text.splitlines() if line.startswith("| CE | t2v"))
    assert row.count("34.6<sub>(34.6)</sub>") == 6
    ridge = ridge_results("configs/toy/train-ce.json", "rgb")["v2t_metrics"]
    assert f"| ridge baseline | v2t | {ridge['R1']:.1f} | {ridge['R5']:.1f} |" in text
    gen_readme.main()
    assert Path("README.md").read_text() == text


def test_refuses_missing_and_leaky_runs(runs, capsys):
    newest = Path("data/saved/models/toy-train-ce/2026-01-02_00-00-00/summary.json")
    newest.write_text(json.dumps(json.loads(newest.read_text()) | {"leaky": True}))
    before = Path("README.md").read_text()
    for message in ("CE: its newest run used the leaky similarity", "no run with summary.json"):
        with pytest.raises(SystemExit) as stop:
            gen_readme.main()
        assert stop.value.code == 2 and message in capsys.readouterr().err
        assert Path("README.md").read_text() == before
        for path in Path("data").rglob("summary.json"):
            path.unlink()
