"""A suite of three small experiments, and the tables of its page."""

import json
from pathlib import Path

from misc.reporting.tables import ABLATION_COLUMNS, ResultsTable

PAGE = "page.md"
TABLES = {
    "toy-designs": ResultsTable(
        PAGE, {"CE | 2": "toy-train-ce", "RGB | 1": "toy-train-rgb"}, columns=ABLATION_COLUMNS, params=True, heading="A | B"
    ),
    "toy-leak": ResultsTable(
        PAGE,
        {"pairwise": "toy-train-ce", "paired-2019": "toy-train-ce-paired-2019"},
        heading="Trained with | Scored with",
        columns=ABLATION_COLUMNS,
        leak=True,
    ),
}
BLOCKS = "".join(f"<!-- results: {name} -->\n<!-- end of results -->\n" for name in TABLES)
SUITE = ("--suite", "toy", "--seeds", "0,1")


def write_suite():
    """Two more configs beside configs/toy/train-ce.json, of an epoch each, and the page."""
    path = Path("configs/toy/train-ce.json")
    config = json.loads(path.read_text())
    config["trainer"]["epochs"] = 1
    path.write_text(json.dumps(config | {"test_split": "test"}))
    inherited = {"inherit_from": str(path)}
    rgb = {"experts": {"modalities": ["rgb"]}, "arch": {"args": {"use_ce": False, "mimic_ce_dims": True}}}
    Path("configs/toy/train-rgb.json").write_text(json.dumps(inherited | rgb))
    leaky = {"arch": {"args": {"similarity": "paired-2019"}}}
    Path("configs/toy/train-ce-paired-2019.json").write_text(json.dumps(inherited | leaky))
    Path(PAGE).write_text(BLOCKS)
