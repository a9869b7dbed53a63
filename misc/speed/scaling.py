"""Cost of growth: time and memory against the size of a batch, the number of experts, of captions and of videos.

The model is CE with MSR-VTT's text and experts of 1,024 dims, inputs are random. Each point is a process of its own. The
exponent is the slope of a line through the logarithms: 1 where twice as much takes twice the time, 2 where it takes four
times. Memory is the most that the process had, torch and the model included.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from misc.speed.metrics import random_similarities
from misc.speed.parts import explain_if_asked
from misc.speed.step import random_batch
from model.loss import MaxMarginRankingLoss
from model.metric import t2v_ranks, v2t_ranks
from model.model import CENet
from trainer.evaluation import evaluate
from trainer.loop_helpers import LossSum
from trainer.optim import build_optimizer
from trainer.trainer import train_one_epoch
from utils.errors import InputError
from utils.files import write_json
from utils.progress import bar, size_text

ROOT = Path(__file__).resolve().parents[2]
EXPERT_DIM, SHARED_DIM, TEXT_DIM, TEXT_CLUSTERS = 1024, 768, 768, 28
EVALUATION_MEMORY = 64  # MiB, little enough for captions to go to a file
REPETITIONS = 3
STEP = {"batch": 64, "experts": 7}
EVALUATION = {"videos": 200, "captions": 10}
RANKING = {"videos": 1000, "captions": 20}
# What is done, its sizes, which of them grows, and how.
AXES = [
    ("training step", STEP, "batch", (16, 32, 64, 128, 256)),
    ("training step", STEP, "experts", (2, 4, 8, 16)),
    ("evaluation", EVALUATION, "captions", (5, 10, 20, 40)),
    ("evaluation", EVALUATION, "videos", (100, 200, 400, 800)),
    ("ranking", RANKING, "captions", (5, 10, 20, 40)),
    ("ranking", RANKING, "videos", (500, 1000, 2000, 4000)),
]
NOTES = {
    "training step": "videos a batch, experts",
    "evaluation": f"captions a video, videos; embedding, scoring and ranking with evaluation_memory {EVALUATION_MEMORY} MiB",
    "ranking": "captions a video, videos; t2v and v2t ranks of a matrix, so that videos count twice",
}


def ce(experts: int) -> tuple[CENet, dict[str, int]]:
    """CE with so many experts, and their dims."""
    dims = {f"expert{i}": EXPERT_DIM for i in range(experts)}
    expert_dims = {name: (dim, SHARED_DIM) for name, dim in dims.items()}
    return CENet(expert_dims=expert_dims, text_dim=TEXT_DIM, vlad_clusters={"text": TEXT_CLUSTERS}, use_ce=True), dims


def training_step(batch: int, experts: int) -> Callable[[], object]:
    """A step of training."""
    model, dims = ce(experts)
    optimizer = build_optimizer({"type": "Adam", "args": {"lr": 1e-6}}, model.parameters())
    inputs = random_batch(dims, TEXT_DIM, set(), batch)
    criterion, cpu = MaxMarginRankingLoss(), torch.device("cpu")
    return lambda: train_one_epoch(model, criterion, optimizer, [inputs], cpu, LossSum(cpu))


def evaluation(videos: int, captions: int) -> Callable[[], object]:
    """Embedding, scoring and ranking; the same few videos again and again, so that no time goes into making them."""
    model, dims = ce(STEP["experts"])
    size = 20
    batch = random_batch(dims, TEXT_DIM, set(), size, num_captions=captions)
    batch |= {"ids": ["video"] * size, "raw_captions": [["a caption"] * captions] * size}
    batches = [batch] * (videos // size)
    return lambda: evaluate(model, batches, ["t2v_metrics", "v2t_metrics"], torch.device("cpu"), EVALUATION_MEMORY)


def ranking(videos: int, captions: int) -> Callable[[], object]:
    """The ranks of a matrix, in both directions."""
    sims, masks = random_similarities(videos, captions)
    return lambda: (t2v_ranks(sims, masks), v2t_ranks(sims, masks))


WORK = {"training step": training_step, "evaluation": evaluation, "ranking": ranking}


def measure(name: str, sizes: dict[str, int]) -> dict[str, float]:
    """Seconds, the median of some repetitions after one that is not timed, and the most bytes of this process."""
    work = WORK[name](**sizes)
    work()
    seconds = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    unit = 1 if sys.platform == "darwin" else 1024
    return {"seconds": statistics.median(seconds), "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The slope of a line through the logarithms."""
    return round(float(np.polyfit(np.log(sizes), np.log(costs), 1)[0]), 3) + 0.0  # no -0


def run(path: Path | None) -> None:
    """Measure, print, and write the figures to `path` if there is one.

    Raises:
        InputError: a process failed.
    """
    found = []
    shown = bar(total=sum(len(values) for *_, values in AXES))
    for name, fixed, axis, values in AXES:
        points = []
        for value in values:
            shown.set_postfix_str(f"{name}, {value} {axis}")
            points.append({axis: value} | in_a_process(name, fixed | {axis: value}))
            shown.update()
        exponents = {cost: exponent(values, [point[cost] for point in points]) for cost in ("seconds", "bytes")}
        found.append({"work": name, "axis": axis, "points": points, "exponents": exponents})
        shown.write(table(name, fixed, axis, points, exponents), file=sys.stdout)
    shown.close()
    if path is not None:
        write_json(path, {"figures": found})


def in_a_process(name: str, sizes: dict[str, int]) -> dict[str, float]:
    """What `measure` finds in a process of its own, so that memory is that of one point."""
    command = [sys.executable, __file__, json.dumps([name, sizes])]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if result.returncode:
        raise InputError(f"{name} with {sizes}: ended with exit code {result.returncode}")
    return json.loads(result.stdout)


def table(name: str, fixed: dict[str, int], axis: str, points: list[dict], exponents: dict[str, float]) -> str:
    """Some lines about the growth of one size."""
    others = ", ".join(f"{value} {key}" for key, value in fixed.items() if key != axis)
    lines = [f"{name}, {axis} ({others}; {NOTES[name]}):"]
    lines += [f"  {p[axis]:6}  {1000 * p['seconds']:10.1f} ms  {size_text(p['bytes']):>10}" for p in points]
    lines.append(f"  exponent {exponents['seconds']:8.2f}     {exponents['bytes']:10.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    explain_if_asked(__doc__)
    print(json.dumps(measure(*json.loads(sys.argv[1]))))
