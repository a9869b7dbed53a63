"""Fill the result tables of the README from the `summary.json` files of runs.

A table stands between `<!-- results: <name> -->` and `<!-- end of results -->`; each row is the newest run of one experiment
that was run with several seeds.
"""

import argparse
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from logger.results import SUMMARY
from misc.ridge_baseline import ridge_results
from utils.errors import InputError, command
from utils.files import atomic_write

# Table -> (the config whose data the ridge baseline uses, rows of (label, experiment)).
TABLES = {
    "stamps": (
        "configs/stamps/train-full-ce.json",
        [
            ("CE", "stamps-train-full-ce"),
            ("CE - CG", "stamps-train-full-ce-ablation-dims"),
            ("CE - P,CG (MoEE)", "stamps-train-full-moee"),
            ("CE - MW,P,CG", "stamps-train-full-moee-minus-moe-weights"),
            ("rgb alone", "stamps-train-full-ce-only-rgb"),
            ("rgb + scene", "stamps-train-full-ce-only-rgb-scene"),
            ("rgb + audio", "stamps-train-full-ce-only-rgb-audio"),
            ("rgb + speech", "stamps-train-full-ce-only-rgb-speech"),
        ],
    ),
}
COLUMNS = {"R1": "R@1", "R5": "R@5", "R10": "R@10", "R50": "R@50", "MedR": "MdR", "MeanR": "MnR"}


def newest_summary(models: Path, experiment: str) -> dict:
    """The summary of the latest run of an experiment with several seeds."""
    paths = sorted((models / experiment).glob(f"*/{SUMMARY}"))
    if not paths:
        raise InputError(f"{models / experiment}: no run with {SUMMARY}, expected one by train.py --seeds")
    try:
        return json.loads(paths[-1].read_text())
    except ValueError as error:
        raise InputError(f"{paths[-1]}: not JSON ({error}), expected a summary by train.py --seeds") from None


def table(name: str, models: Path) -> str:
    """The table `name` as Markdown."""
    config, rows = TABLES[name]
    lines = [f"| Model | Task | {' | '.join(COLUMNS.values())} |", f"| --- | :-: | {' | '.join('-:' for _ in COLUMNS)} |"]
    summaries = [(label, newest_summary(models, experiment)) for label, experiment in rows]
    ridge = ridge_results(config, "rgb")
    for direction in ("t2v_metrics", "v2t_metrics"):
        values = " | ".join(f"{ridge[direction][metric]:.1f}" for metric in COLUMNS)
        lines.append(f"| ridge baseline | {direction[:3]} | {values} |")
        for label, summary in summaries:
            if summary["leaky"]:
                raise InputError(f"{label}: its newest run used the leaky similarity, which is no result")
            mean, std = summary["mean"][direction], summary["std"][direction]
            values = " | ".join(f"{mean[metric]:.1f}<sub>({std[metric]:.1f})</sub>" for metric in COLUMNS)
            lines.append(f"| {label} | {direction[:3]} | {values} |")
    return "\n".join(lines)


@command
def main() -> None:
    """Fill in the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readme", type=Path, default=Path("README.md"), help="file to fill in (default: %(default)s)")
    parser.add_argument("--models", type=Path, default=Path("data/saved/models"), help="runs (default: %(default)s)")
    args = parser.parse_args()
    text = args.readme.read_text(encoding="utf-8")
    for name in TABLES:
        pattern = rf"(<!-- results: {name} -->\n).*?(<!-- end of results -->)"
        if not re.search(pattern, text, flags=re.DOTALL):
            raise InputError(f"{args.readme}: no '<!-- results: {name} -->' ... '<!-- end of results -->'")
        filled = table(name, args.models)
        text = re.sub(pattern, lambda match, filled=filled: f"{match[1]}{filled}\n{match[2]}", text, flags=re.DOTALL)
    with atomic_write(args.readme) as file:
        file.write(text.encode())


if __name__ == "__main__":
    main()
