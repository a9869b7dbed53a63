"""Cost of growth: time and memory against the size of a batch, the number of experts, of captions and of videos.

The model is CE with MSR-VTT's text and experts of 1,024 dims, inputs are random. Each point is measured in a separate
process. The exponent is the slope of a line through the logarithms: 1 for linear growth, 2 for quadratic growth. Memory is
the peak of the process, including torch and the model.
"""

import statistics
import timeit
from collections.abc import Callable, Sequence

import numpy as np
import torch

from misc.speed.metrics import random_similarities
from misc.speed.process import call_in_process, peak_memory
from misc.speed.step import random_batch
from model.loss import MaxMarginRankingLoss
from model.metric import t2v_ranks, v2t_ranks
from model.model import CENet
from trainer.evaluation import evaluate
from trainer.loop_helpers import LossSum
from trainer.optim import instantiate_optimizer
from trainer.trainer import train_batches
from utils.progress import size_text

EXPERT_DIM, SHARED_DIM, TEXT_DIM, TEXT_CLUSTERS = 1024, 768, 768, 28
EVALUATION_MEMORY = 64  # MiB, a limit with which captions are written to a file
REPETITIONS = 3
STEP = {"batch": 64, "experts": 7}
EVALUATION = {"videos": 200, "captions": 10}
RANKING = {"videos": 1000, "captions": 20}
# (work, its default sizes, the size that grows, its values)
AXES = [
    ("training step", STEP, "batch", (16, 32, 64, 128, 256)),
    ("training step", STEP, "experts", (2, 4, 8, 16)),
    ("evaluation", EVALUATION, "captions", (5, 10, 20, 40)),
    ("evaluation", EVALUATION, "videos", (100, 200, 400, 800)),
    ("ranking", RANKING, "captions", (5, 10, 20, 40)),
    ("ranking", RANKING, "videos", (500, 1000, 2000, 4000)),
]
NOTES = {
    "training step": "videos per batch, experts",
    "evaluation": f"captions per video, videos; embed, score and rank with evaluation_memory {EVALUATION_MEMORY} MiB",
    "ranking": "captions per video, videos; t2v and v2t ranks of a matrix, so that videos count twice",
}


def build_ce(experts: int) -> tuple[CENet, dict[str, int]]:
    """Build CE with a number of experts, and return it with their dims."""
    dims = {f"expert{i}": EXPERT_DIM for i in range(experts)}
    expert_dims = {name: (dim, SHARED_DIM) for name, dim in dims.items()}
    return CENet(expert_dims=expert_dims, text_dim=TEXT_DIM, vlad_clusters={"text": TEXT_CLUSTERS}, use_ce=True), dims


def training_step(batch: int, experts: int) -> Callable[[], object]:
    """Return a function that takes a training step."""
    model, dims = build_ce(experts)
    optimizer = instantiate_optimizer({"type": "Adam", "args": {"lr": 1e-6}}, model.parameters())
    inputs = random_batch(dims, TEXT_DIM, set(), batch)
    criterion, cpu = MaxMarginRankingLoss(), torch.device("cpu")
    return lambda: train_batches(model, criterion, optimizer, [inputs], cpu, LossSum(cpu))


def evaluation(videos: int, captions: int) -> Callable[[], object]:
    """Return a function that embeds, scores and ranks; a few videos are repeated, which saves the time to make them."""
    model, dims = build_ce(STEP["experts"])
    size = 20
    batch = random_batch(dims, TEXT_DIM, set(), size, num_captions=captions)
    batch |= {"ids": ["video"] * size, "raw_captions": [["a caption"] * captions] * size}
    batches = [batch] * (videos // size)
    return lambda: evaluate(model, batches, ["t2v_metrics", "v2t_metrics"], torch.device("cpu"), EVALUATION_MEMORY)


def ranking(videos: int, captions: int) -> Callable[[], object]:
    """Return a function that computes the ranks of a matrix in both directions."""
    sims, masks = random_similarities(videos, captions)
    return lambda: (t2v_ranks(sims, masks), v2t_ranks(sims, masks))


WORK = {"training step": training_step, "evaluation": evaluation, "ranking": ranking}


def measure(name: str, sizes: dict[str, int]) -> dict[str, float]:
    """Return the median of the seconds of some repetitions after a warm-up, and the peak memory of this process in bytes."""
    work = WORK[name](**sizes)
    work()
    seconds = timeit.repeat(work, "gc.enable()", number=1, repeat=REPETITIONS)
    return {"seconds": statistics.median(seconds), "bytes": peak_memory()}


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return the slope of a line through the logarithms."""
    return round(float(np.polyfit(np.log(sizes), np.log(costs), 1)[0]), 3) + 0.0  # no -0


def run() -> dict:
    """Measure, print, and return the figures."""
    figures = []
    for name, fixed, axis, values in AXES:
        others = ", ".join(f"{value} {key}" for key, value in fixed.items() if key != axis)
        print(f"{name}, {axis} ({others}; {NOTES[name]}):", flush=True)
        points = []
        for value in values:
            points.append({axis: value} | call_in_process(measure, name, fixed | {axis: value}))
            print(f"  {value:6}  {1000 * points[-1]['seconds']:10.1f} ms  {size_text(points[-1]['bytes']):>10}", flush=True)
        exponents = {cost: exponent(values, [point[cost] for point in points]) for cost in ("seconds", "bytes")}
        print(f"  exponent {exponents['seconds']:8.2f}     {exponents['bytes']:10.2f}", flush=True)
        figures.append({"work": name, "axis": axis, "points": points, "exponents": exponents})
    return {"figures": figures}
