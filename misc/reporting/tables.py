"""Declarations of the tables of our own results: their pages and their experiments."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from logger.results import METRIC_LABELS

COLUMNS = {name: METRIC_LABELS[name] for name in ("R1", "R5", "R10", "R50", "MedR", "MeanR")}
ABLATION_COLUMNS = {name: COLUMNS[name] for name in ("R1", "R5", "R10", "MedR")}  # the published ones
BANK = "querybank."  # before the name of a metric: with the query bank
ADDITION_COLUMNS = {
    f"{bank}{name}": f"{heading}{COLUMNS[name]}"
    for bank, heading in (("", ""), (BANK, "bank "))
    for name in ("R1", "R5", "R10")
}
TASKS = ("t2v", "v2t")
# Metrics that are means over queries -> the value of a query by its 0-based rank.
SCORES = {
    "R1": lambda rank: 100.0 * (rank <= 0),
    "R5": lambda rank: 100.0 * (rank < 5),
    "R10": lambda rank: 100.0 * (rank < 10),
    "R50": lambda rank: 100.0 * (rank < 50),
    "MRR": lambda rank: 100 / (rank + 1),
    "MeanR": lambda rank: rank + 1,
}
LEVEL = 0.05  # of p-values
MODELS = Path("data/saved/models")  # the folder of the runs, if no other is named
PUBLISHED_PAGE = Path("misc/docs/published-results.md")


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
    compared: bool = False  # whether metrics that differ from those of the first row without a query bank are marked


def _ablations(dataset: str, page: str, ce: str = "ce") -> dict[str, ResultsTable]:
    """Return the tables of the published ablations for the experiments of a dataset; `ce` is the one of CE."""
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
        "CE": ce,
        "CE of 2020": "ce-2020",
    }
    one = {"RGB": "ce-only-rgb"}
    pairs = {f"RGB + {name}": f"ce-only-rgb-{name.lower()}" for name in others}
    growing = {f"Prev. + {name}": f"ce-only-rgb-{'-'.join(others[:i]).lower()}" for i, name in enumerate(others[:-1], 1)}
    captions = {
        "RGB | 1": "ce-ablation-restrict-captions-only-rgb",
        "RGB | all": "ce-only-rgb",
        "All | 1": "ce-ablation-restrict-captions",
        "All | all": ce,
    }
    return {
        f"{dataset}-designs": table("Model", designs),
        f"{dataset}-experts": table("Experts", one | pairs),
        f"{dataset}-cumulative": table("Experts", one | growing | {f"Prev. + {others[-1]}": ce}),
        f"{dataset}-captions": table("Experts | Caps.", captions),
    }


def _additions(dataset: str) -> ResultsTable:
    """Return the table of what was added to the model and the training of the paper."""
    rows = {
        "CE, margin loss": "ce-margin",
        "- without duplicates": "ce-no-duplicates",
        "- hardest negatives": "ce-hardest",
        "- expert dropout": "ce-expert-dropout",
        "- word dropout": "ce-word-dropout",
        "- averaged weights": "ce-ema",
        "CE, contrastive loss (default)": "ce",
        "- averaged weights, too": "ce-contrastive-ema",
        "- averaged weights and both dropouts, too": "ce-all",
        "CE of 2020, margin loss": "ce-2020",
        "MoEE, margin loss": "moee",
        "MoEE, contrastive loss": "moee-contrastive",
    }
    experiments = {label: f"{dataset}-train-full-{name}" for label, name in rows.items()}
    ridge = f"configs/{dataset}/train-full-ce.json"
    return ResultsTable("misc/docs/results.md", experiments, ridge, columns=ADDITION_COLUMNS, compared=True)


TABLES = {
    "demo": ResultsTable("misc/docs/results.md", {"CE, contrastive loss": "demo-train-full-ce"}),
    "demo-files": ResultsTable(
        "misc/docs/own-videos.md",
        {"extracted from the files": "demo-files-train-full-ce", "the demo's own": "demo-files-train-own-features"},
        heading="Experts",
    ),
    "stamps2-main": ResultsTable(
        "README.md",
        {
            "CE, contrastive loss": "stamps2-train-full-ce",
            "CE, margin loss": "stamps2-train-full-ce-margin",
            "MoEE, contrastive loss": "stamps2-train-full-moee-contrastive",
        },
        ridge="configs/stamps2/train-full-ce.json",
    ),
    "stamps2": ResultsTable(
        "misc/docs/results.md",
        {
            "CE": "stamps2-train-full-ce-margin",
            "CE of 2020": "stamps2-train-full-ce-2020",
            "CE - CG": "stamps2-train-full-ce-ablation-dims",
            "CE - P,CG (MoEE)": "stamps2-train-full-moee",
            "CE - MW,P,CG": "stamps2-train-full-moee-minus-moe-weights",
            "rgb alone": "stamps2-train-full-ce-only-rgb",
            "rgb + scene": "stamps2-train-full-ce-only-rgb-scene",
            "rgb + audio": "stamps2-train-full-ce-only-rgb-audio",
            "rgb + speech": "stamps2-train-full-ce-only-rgb-speech",
        },
        ridge="configs/stamps2/train-full-ce.json",
    ),
    "stamps2-additions": _additions("stamps2"),
    "demo-additions": _additions("demo"),
    **_ablations("demo", "misc/docs/ablations.md", ce="ce-margin"),
    "demo-leak": ResultsTable(
        "misc/docs/ablations.md",
        {"pairwise": "demo-train-full-ce-margin", "paired-2019": "demo-train-full-ce-paired-2019"},
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
