"""Finding again what test.py measured."""

from pathlib import Path

from base.experiment import METRICS, Experiment
from base.runs import config_of_run, read_final_metrics


def evaluation_of(checkpoint: Path, similarity: str) -> Path | None:
    """The newest `metrics.json` of a checkpoint of a run, scored with `similarity` on the split on which its run tested it.

    One older than the checkpoint does not count, nor one whose config differs otherwise; None if there is none.

    Raises:
        InputError: one cannot be read.
    """
    experiment = Experiment.of_checkpoint(checkpoint)
    config = config_of_run(checkpoint.parent)
    if experiment is None or config is None:
        return None
    config["arch"]["args"]["similarity"] = similarity
    paths = (experiment.save_dir / "log" / experiment.name).glob(f"*/{METRICS}")
    found = {path: path.stat().st_mtime for path in paths if config_of_run(path.parent) == config}
    since = checkpoint.stat().st_mtime
    for path in sorted(found, key=found.get, reverse=True):
        about = read_final_metrics(path.parent)
        same = Path(about["checkpoint"]).resolve() == checkpoint.resolve() and about["split"] == config["test_split"]
        if same and found[path] >= since:
            return path
    return None
