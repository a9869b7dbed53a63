"""The ranking page of a run, filled from its config and its evaluations."""

from base.experiment import Run
from parse_config import ConfigParser
from trainer.evaluation import Evaluation
from utils.visualizer import PageData, Visualizer


def build_visualizer(config: ConfigParser, run: Run) -> Visualizer | None:
    """Build the visualizer of a run (None: its config has no visualizer)."""
    if "visualizer" not in config:
        return None
    model = config["arch"]["args"]
    return Visualizer(
        **config["visualizer"]["args"],
        folder=run.web,
        name=f"{run.experiment} {run.id}",
        similarity=model.get("similarity", "pairwise"),
        l2renorm=model.get("l2renorm", False),
        v2t_ties=config.get("v2t_ties") or "expected",
    )


def page_data(evaluation: Evaluation) -> PageData:
    """Return the data of an evaluation that the ranking page shows."""
    return PageData(
        metrics={name.removesuffix("_metrics"): values for name, values in evaluation.metrics.items()},
        ranks=evaluation.ranks,
        sims=evaluation.sims,
        query_masks=evaluation.query_masks,
        video_ids=evaluation.video_ids,
        captions=evaluation.raw_captions,
        experts=evaluation.modalities,
        available=evaluation.available,
        weights=evaluation.weights,
    )
