"""Ridge regression from the mean word of a caption to the mean feature of an expert, a linear baseline."""

import argparse
from collections.abc import Sequence

import numpy as np
import torch

from data_loader.dataset import ExpertDataset
from data_loader.experts import resolve_experts
from logger.results import format_table
from model.metric import t2v_metrics, v2t_metrics
from parse_config import ConfigParser
from trainer.build import build_loaders
from utils.errors import InputError

STRENGTHS = 10.0 ** np.arange(-3, 5)
# Decimals of a similarity, so that repeated captions are tied: coarser than the error of float64, finer than what matters.
DECIMALS = 9


def matrices(dataset: ExpertDataset, expert: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean words (V*K, text_dim) of captions, a mask (V, K) of those that exist, and means (V, dim) of an expert."""
    videos = np.stack([x.reshape(-1, x.shape[-1]).mean(axis=0) for x in dataset.features[expert]])
    shape = (len(dataset), max(dataset.num_captions))
    text = np.zeros((*shape, dataset.captions.vectors(0, 0).shape[1]))
    exists = np.zeros(shape, dtype=bool)
    for v, count in enumerate(dataset.num_captions):
        for k in range(count):
            text[v, k], exists[v, k] = dataset.captions.vectors(v, k).mean(axis=0), True
    return text.reshape(-1, text.shape[-1]), exists, videos


def fit(text: np.ndarray, videos: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit ridge regression from `text` (N, text_dim) to `videos` (N, dim): weights (text_dim, dim) and the two means."""
    text_mean, video_mean = text.mean(axis=0), videos.mean(axis=0)
    x, y = text - text_mean, videos - video_mean
    return np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y), text_mean, video_mean


def similarities(model: tuple[np.ndarray, np.ndarray, np.ndarray], text: np.ndarray, videos: np.ndarray) -> np.ndarray:
    """Return the cosine similarities (T, V) of predictions and videos, both centered."""
    weights, text_mean, video_mean = model
    predicted, actual = (text - text_mean) @ weights, videos - video_mean
    lengths = np.linalg.norm(predicted, axis=1)[:, None] * np.linalg.norm(actual, axis=1)
    return (predicted @ actual.T / np.maximum(lengths, 1e-12)).round(DECIMALS)


def ridge_results(
    config_path: str, expert: str, overrides: Sequence[str] = (), splits: tuple[str, str] = ("val", "test")
) -> dict[str, dict[str, float]]:
    """Return the metrics by direction; the config and all its videos need to have the expert.

    Args:
        overrides: overrides of the config.
        splits: the split on which the strength is chosen, and the split of the metrics.
    """
    datasets = {}
    for split in splits:
        config = ConfigParser.from_file(config_path, [*overrides, f"data_loader.args.split_name={split}"])
        experts = resolve_experts(config["experts"], config["data_loader"]["args"]["feat_aggregation"])
        if expert not in experts:
            raise InputError(f"{config_path}: no expert '{expert}', expected one of {', '.join(experts)}")
        loaders = build_loaders(config, torch.device("cpu"), experts={expert: experts[expert]})
        datasets |= {"train": loaders.train.dataset, split: loaders.evaluation.dataset}
    if any(x is None for dataset in datasets.values() for x in dataset.features[expert]):
        raise InputError(f"{config_path}: some videos lack the expert '{expert}', expected one that all have")
    text, exists, videos = matrices(datasets["train"], expert)
    text, videos = text[exists.flatten()], videos.repeat(exists.sum(axis=1), axis=0)

    def results(strength: float, split: str) -> dict[str, dict[str, float]]:
        split_text, split_exists, split_videos = matrices(datasets[split], expert)
        sims = similarities(fit(text, videos, strength), split_text, split_videos)
        return {metric.__name__: metric(sims, split_exists) for metric in (t2v_metrics, v2t_metrics)}

    best = max(STRENGTHS, key=lambda strength: results(strength, splits[0])["t2v_metrics"]["geometric_mean_R1-R5-R10"])
    return results(best, splits[1])


def run(args: argparse.Namespace) -> None:
    """Print the results."""
    results = ridge_results(args.config, args.expert)
    print(f"ridge regression from mean text to mean {args.expert}, split test:\n{format_table(results)}")
