"""A training that is interrupted or killed, and resumed, has the same checkpoints as one that is not, bit for bit."""

import contextlib
import copy
import math
import os
import signal

import pytest
import torch
from helpers.properties import examples
from helpers.toy_archive import CONFIG, Archive, changed
from helpers.training import CPU
from hypothesis import given
from hypothesis import strategies as st

from base.device import seed_everything
from base.experiment import Run
from base.runs import ResumePoint
from parse_config import ConfigParser
from trainer import trainer as trainer_module
from trainer.build import build_loaders, build_loss, build_lr_scheduler, build_model, build_optimizer
from trainer.loop_helpers import LossSum
from trainer.trainer import Trainer

EPOCHS, VIDEOS = 3, 24
MONITORS = ["min epoch", CONFIG["trainer"]["monitor"]]  # only the first epoch is the best, or any of them
OPTIMIZERS = {
    "Adam": {"lr": 0.01},
    "AdamW": {"lr": 0.01, "amsgrad": True},
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "RMSprop": {"lr": 0.001, "momentum": 0.5},
    "NAdam": {"lr": 0.01},
    "Adagrad": {"lr": 0.01, "lr_decay": 0.1},
    "Rprop": {"lr": 0.001},
}
SCHEDULES = {
    "StepLR": {"step_size": 1, "gamma": 0.5},
    "ReduceLROnPlateau": {"patience": 0, "factor": 0.5},
    "CosineAnnealingLR": {"T_max": EPOCHS},
    "OneCycleLR": {"max_lr": 0.02, "total_steps": EPOCHS, "cycle_momentum": False},
}
LOSSES = {"MaxMarginRankingLoss": {"margin": 0.3}, "ContrastiveLoss": {"temperature": 0.1}}


class Killed(Exception):
    """An exception in place of the end of the process."""


class Moments:
    """Moments of a training at which it is interrupted or killed, each of them once; and what it reports."""

    def __init__(self, moments):
        self.left = list(moments)
        self.trainer = None
        self.reported = []

    def is_now(self, kind, *more):
        """Return whether the training ends here; `kind` is "step", "evaluation" or "killed"."""
        moment = (kind, self.trainer.loaders.sampler.epoch, *more)
        if moment in self.left:
            self.left.remove(moment)
            return True
        return False

    def add_epoch(self, values, *_):
        """Take the place of the TensorBoard events, which are written before the checkpoint."""
        self.reported.append(values["epoch"])
        if self.is_now("killed"):
            raise Killed


def build(config, run, moments):
    """Return a trainer as train.py makes it, which continues after the newest checkpoint of the run."""
    torch.manual_seed(99)
    seed_everything(config["seed"])
    model, loss = build_model(config), build_loss(config)
    optimizer = build_optimizer(config, model.parameters(), loss.parameters())
    schedule = build_lr_scheduler(config, optimizer)
    trainer = Trainer(model, loss, optimizer, schedule, config, build_loaders(config, CPU), CPU)
    if (point := ResumePoint.newest(run.models)) is not None:
        trainer.resume(point)
    moments.trainer = trainer
    return trainer


def train(config, run, moments=()):
    """Train to the end, in as many processes as that takes; return the reported epochs and the number of processes."""
    moments, processes = Moments(moments), 0
    add, evaluate = LossSum.add, trainer_module.evaluate

    def add_or_interrupt(self, loss, step):
        if moments.is_now("step", step):
            signal.raise_signal(signal.SIGINT)
        add(self, loss, step)

    def evaluate_or_interrupt(*args, **settings):
        if moments.is_now("evaluation"):
            signal.raise_signal(signal.SIGINT)
        return evaluate(*args, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)  # it takes most of the time
        patch.setattr(LossSum, "add", add_or_interrupt)
        patch.setattr(trainer_module, "evaluate", evaluate_or_interrupt)
        patch.setattr(trainer_module, "RunEvents", lambda *_: contextlib.nullcontext(moments))
        patch.setattr(trainer_module, "log_to", lambda folder: None)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            while True:
                processes += 1
                try:
                    trainer = build(config, run, moments)
                    with trainer.writing_to(run):
                        trainer.train()
                    return moments.reported, processes
                except (KeyboardInterrupt, Killed):
                    continue
        finally:
            signal.signal(signal.SIGINT, before)


def assert_same(one, other, path=""):
    """Compare nested contents of checkpoints exactly."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for i, (x, y) in enumerate(zip(one, other, strict=True)):
            assert_same(x, y, f"{path}.{i}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    else:
        assert one == other or math.isnan(one) and math.isnan(other), path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return the folder of an archive, whose caches the runs share."""
    folder = tmp_path_factory.mktemp("data")
    Archive(folder, num_train=VIDEOS).write()
    return folder / "data" / "Toy"


@st.composite
def moments(draw, steps):
    """Draw when a training ends: at a step, in an evaluation, or between an evaluation and its checkpoint."""
    epoch = draw(st.integers(1, EPOCHS))
    kind = draw(st.sampled_from(["step", "evaluation", "killed"]))
    return (kind, epoch, draw(st.integers(0, steps - 1))) if kind == "step" else (kind, epoch)


@given(
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    schedule=st.none() | st.sampled_from(sorted(SCHEDULES)),
    seed=st.integers(0, 2**64 - 1),
    accumulate=st.integers(1, 4),
    batch_size=st.sampled_from([5, 8, 12]),
    trainer=st.fixed_dictionaries(
        {"monitor": st.sampled_from(MONITORS), "save_period": st.integers(1, 3), "skip_first_n_saves": st.integers(0, 1)},
        optional={"early_stop": st.integers(1, 2), "ema_decay": st.floats(0.01, 0.999)},
    ),
    dropout=st.fixed_dictionaries({}, optional={name: st.floats(0, 0.9) for name in ("word_dropout", "expert_dropout")}),
    noise=st.sampled_from(["scene", ""]),
    use_ce=st.booleans(),
    loss=st.sampled_from(sorted(LOSSES)),
    drawn=st.data(),
)
@examples(5)
def test_an_interrupted_training_ends_as_one_that_is_not(
    tmp_path_factory,
    data,
    optimizer,
    schedule,
    seed,
    accumulate,
    batch_size,
    trainer,
    dropout,
    noise,
    use_ce,
    loss,
    drawn,
):
    folder = tmp_path_factory.mktemp("runs")
    changes = {
        "seed": seed,
        "optimizer": {"type": optimizer, "args": OPTIMIZERS[optimizer]},
        "arch.args.randomise_feats": noise,  # drawn from the random state
        "arch.args.use_ce": use_ce,
        "loss": {"type": loss, "args": LOSSES[loss]},
        "data_loader.args.data_dir": str(data),
        "data_loader.args.batch_size": batch_size,
        **{f"data_loader.args.{name}": probability for name, probability in dropout.items()},
        "trainer": {**trainer, "epochs": EPOCHS, "accumulate": accumulate},
        "lr_scheduler": {"type": schedule, "args": SCHEDULES[schedule]} if schedule else None,
    }
    if schedule == "ReduceLROnPlateau":
        changes["lr_scheduler"]["args"] = {**SCHEDULES[schedule], "mode": trainer["monitor"][:3]}
    config = ConfigParser(changed(copy.deepcopy(CONFIG), changes), "config", training=True)
    ends = drawn.draw(st.lists(moments(VIDEOS // batch_size), min_size=2, max_size=4, unique=True))
    runs = [Run(folder, "toy", name).with_folders() for name in ("whole", "parts")]
    whole, _ = train(config, runs[0])
    parts, processes = train(config, runs[1], ends)
    reached = [end for end in ends if end[1] <= whole[-1]]
    # A second signal before the steps are done that the first one waits for ends the process, too.
    assert (processes > 1) == bool(reached) and processes <= 1 + len(reached)
    assert sorted(set(parts)) == whole
    names = [sorted(path.name for path in run.models.glob("*.pth")) for run in runs]
    assert names[0] == names[1]
    for name in names[0]:
        states = [torch.load(run.models / name, weights_only=True) for run in runs]
        for state in states:
            del state["values"]["steps_per_second"]
        assert_same(*states)
