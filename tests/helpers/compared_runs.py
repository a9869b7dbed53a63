"""Runs with drawn ranks in the folders of experiments, to be compared."""

import json
from pathlib import Path

import numpy as np

from base.query_ranks import QueryRanks

MODELS = Path("data/saved/models")


def write_run(folder, seed=0, skill=0.0, config=None, num_videos=40, change=None, querybank=False):
    """Write a run of a config whose items rank better with more `skill`; `change` overrides fields of `ranks.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng((seed, round(1000 * skill)))
    hard = np.random.default_rng(9).normal(size=3 * num_videos) + 2.5 - skill
    ranks = {
        "t2v": np.floor(np.exp(np.clip(hard[: 2 * num_videos] + 0.3 * rng.normal(size=2 * num_videos), 0, 3.6))) - 1,
        "v2t": np.floor(np.exp(np.clip(hard[2 * num_videos :] + 0.3 * rng.normal(size=num_videos), 0, 3.6))) - 1,
    }
    limits = {"t2v": num_videos, "v2t": 2 * num_videos}
    ranks = {task: np.minimum(x, limits[task] - 1) for task, x in ranks.items()}
    if querybank:
        ranks |= {f"{task}_querybank": np.maximum(0, x - 1) for task, x in list(ranks.items())}
    videos = [f"video{v}" for v in range(num_videos)]
    content = {
        "config": "configs/toy/train-ce.json",
        "checkpoint": str(folder / "trained_model.pth"),
        "seed": seed,
        "split": "test",
        "leaky": False,
        "v2t_ties": "expected",
        "videos": videos,
        "captions": [f"{video}#{k}" for video in videos for k in range(2)],
        "texts": [f"text {k} of <{video}>" for video in videos for k in range(2)],
        "owners": [v for v in range(num_videos) for _ in range(2)],
        "ranks": {name: values.tolist() for name, values in ranks.items()},
    }
    QueryRanks(**(content | (change or {}))).write(folder / "ranks.json")
    (folder / "config.json").write_text(json.dumps({"name": folder.parts[-2], "seed": seed} | (config or {})))
    (folder / "metrics.json").write_text("{}")
    return folder


def write_experiment(name, skill=0.0, seeds=(0, 1, 2), **options):
    """Write a run with several seeds, and return the folder of the experiment."""
    for seed in seeds:
        config = {"name": name} | options.pop("config", {})
        write_run(MODELS / name / "2026-11-26_10-00-00" / f"seed-{seed}", seed, skill, config=config, **options)
    return MODELS / name
