"""The tables of our own results are declared for configs and pages that exist."""

from pathlib import Path

from helpers.paths import ROOT

from misc.reporting import tables
from parse_config import ConfigParser


def test_every_experiment_has_a_config_of_its_name_and_a_block_on_its_page(monkeypatch):
    monkeypatch.chdir(ROOT)
    for name, table in tables.TABLES.items():
        assert Path(table.page).read_text().count(f"<!-- results: {name} -->\n") == 1
        for experiment in table.rows.values():
            assert ConfigParser.from_file(tables.config_path(experiment))["name"] == experiment
