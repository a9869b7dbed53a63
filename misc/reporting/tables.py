"""Declarations of the tables of our own results: their pages and their experiments."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from logger.results import METRIC_LABELS

COLUMNS = {name: METRIC_LABELS[name] for name in ("R1", "R5", "R10", "R50", "MedR", "MeanR")}
ABLATION_COLUMNS = {name: COLUMNS[name] for name in ("R1", "R5", "R10", "MedR")}  # the published ones
TASKS = ("t2v", "v2t")


@dataclasses.dataclass(frozen=True)
class ResultsTable:
    """A table of results; rows without a run are left out."""

    page: str  # the file with the block "results: <name>"
    rows: Mapping[str, str]  # label -> experiment
    ridge: str | None = None  # config of the data for a row of the ridge baseline from text to rgb
    heading: str = "Model"  # of the labels; " | " separates several columns, also in labels
    columns: Mapping[str, str] = dataclasses.field(default_factory=lambda: COLUMNS)  # name of a metric -> heading
    params: bool = False  # whether the last column is the number of parameters
    leak: bool = False  # whether each checkpoint is scored with every similarity, including the leaky one


def _ablations(dataset: str, page: str) -> dict[str, ResultsTable]:
    """Return the tables of the published ablations for the experiments of a dataset."""
    others = ["Scene", "Flow", "Audio", "OCR", "Speech", "Face"]

    def table(heading: str, rows: Mapping[str, str]) -> ResultsTable:
        experiments = {label: f"{dataset}-train-full-{name}" for label, name in rows.items()}
        return ResultsTable(page, experiments, heading=heading, columns=ABLATION_COLUMNS, params=True)

    designs = {
        "Concat": "concat-ablation",
        "Concat + G": "concat-mix-ablation",
        "CE - MW,P,CG": "moee-minus-moe-weights",
        "CE - P,CG": "moee",
        "CE - CG": "ce-ablation-dims",
        "CE": "ce",
        "CE of 2020": "ce-2020",
    }
    one = {"RGB": "ce-only-rgb"}
    pairs = {f"RGB + {name}": f"ce-only-rgb-{name.lower()}" for name in others}
    growing = {f"Prev. + {name}": f"ce-only-rgb-{'-'.join(others[:i]).lower()}" for i, name in enumerate(others[:-1], 1)}
    captions = {
        "RGB | 1": "ce-ablation-restrict-captions-only-rgb",
        "RGB | all": "ce-only-rgb",
        "All | 1": "ce-ablation-restrict-captions",
        "All | all": "ce",
    }
    return {
        f"{dataset}-designs": table("Model", designs),
        f"{dataset}-experts": table("Experts", one | pairs),
        f"{dataset}-cumulative": table("Experts", one | growing | {f"Prev. + {others[-1]}": "ce"}),
        f"{dataset}-captions": table("Experts | Caps.", captions),
    }


TABLES = {
    "demo": ResultsTable("misc/docs/results.md", {"CE": "demo-train-full-ce"}),
    "demo-files": ResultsTable(
        "misc/docs/own-videos.md",
        {"extracted from the files": "demo-files-train-full-ce", "the demo's own": "demo-files-train-own-features"},
        heading="Experts",
    ),
    "stamps-main": ResultsTable(
        "README.md",
        {"CE": "stamps-train-full-ce", "MoEE": "stamps-train-full-moee"},
        ridge="configs/stamps/train-full-ce.json",
    ),
    "stamps": ResultsTable(
        "misc/docs/results.md",
        {
            "CE": "stamps-train-full-ce",
            "CE of 2020": "stamps-train-full-ce-2020",
            "CE - CG": "stamps-train-full-ce-ablation-dims",
            "CE - P,CG (MoEE)": "stamps-train-full-moee",
            "CE - MW,P,CG": "stamps-train-full-moee-minus-moe-weights",
            "rgb alone": "stamps-train-full-ce-only-rgb",
            "rgb + scene": "stamps-train-full-ce-only-rgb-scene",
            "rgb + audio": "stamps-train-full-ce-only-rgb-audio",
            "rgb + speech": "stamps-train-full-ce-only-rgb-speech",
        },
        ridge="configs/stamps/train-full-ce.json",
    ),
    "stamps2": ResultsTable(
        "misc/datasets/stamps2/README.md",
        {"CE": "stamps2-train-full-ce", "MoEE": "stamps2-train-full-moee"},
        ridge="configs/stamps2/train-full-ce.json",
    ),
    **_ablations("demo", "misc/docs/ablations.md"),
    "demo-leak": ResultsTable(
        "misc/docs/ablations.md",
        {"pairwise": "demo-train-full-ce", "paired-2019": "demo-train-full-ce-paired-2019"},
        heading="Trained with | Scored with",
        columns=ABLATION_COLUMNS,
        leak=True,
    ),
    "msrvtt": ResultsTable(
        "misc/datasets/msrvtt/README.md",
        {
            "CE, Full": "msrvtt-train-full-ce",
            "CE, 1k-A": "msrvtt-train-jsfusion-ce",
            "CE, 1k-B": "msrvtt-train-miech-ce",
            "MoEE*, 1k-B": "msrvtt-train-miech-miechfeats-moee",
        },
    ),
    **_ablations("msrvtt", "misc/datasets/msrvtt/README.md"),
    "msvd": ResultsTable("misc/datasets/msvd/README.md", {"CE": "msvd-train-full-ce"}),
    "didemo": ResultsTable("misc/datasets/didemo/README.md", {"CE": "didemo-train-full-ce"}),
    "activity-net": ResultsTable("misc/datasets/activity-net/README.md", {"CE": "activity-net-train-full-ce"}),
    "lsmdc": ResultsTable("misc/datasets/lsmdc/README.md", {"CE": "lsmdc-train-full-ce"}),
}


def suites() -> dict[str, list[str]]:
    """Return the names of the tables of each suite, which are those of one dataset."""
    by_dataset: dict[str, list[str]] = {}
    for name, table in TABLES.items():
        dataset = next(iter(table.rows.values())).partition("-train-")[0]
        by_dataset.setdefault(dataset, []).append(name)
    return by_dataset


def list_experiments(suite: str, leak: bool = False) -> list[str]:
    """Return the experiments of the tables of a suite, each once, or only those of the study of the leak."""
    chosen = [TABLES[name] for name in suites()[suite] if TABLES[name].leak or not leak]
    return list(dict.fromkeys(experiment for table in chosen for experiment in table.rows.values()))


def config_path(experiment: str) -> Path:
    """Return the path of the config of an experiment `<dataset>-train-<name>`."""
    dataset, _, name = experiment.partition("-train-")
    return Path("configs", dataset, f"train-{name}.json")
