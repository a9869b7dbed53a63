"""The training loop."""

import contextlib
import functools
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tqdm import tqdm

from base.checkpoint import (
    BEST,
    INTERRUPTED,
    latest_epoch,
    load_checkpoint,
    save_checkpoint,
    save_periodic,
)
from base.device import environment, get_rng_state, set_rng_state
from base.experiment import CONFIG, KINDS, Experiment
from base.monitor import Monitor
from base.runs import ResumePoint
from data_loader.data_loaders import ExpertDataLoader
from logger.results import epoch_line, label_leaky
from logger.tensorboard import RunEvents
from model.earlier import convert_optimizer_state
from model.model import CENet
from model.published import load_weights
from parse_config import ConfigParser
from trainer.distributed import ProcessLostError, broadcast_from_main, get_world_size
from trainer.evaluation import Evaluation, evaluate, evaluation_settings
from trainer.next_steps import resume_hint
from trainer.optim import load_optimizer
from trainer.ranking_page import build_visualizer, page_data
from trainer.replica import replica
from trainer.step import LossSum, TrainingSteps
from utils.errors import InputError, count_text
from utils.files import remove_temporary, write_json
from utils.interrupts import InterruptHandler, defer_signals
from utils.visualizer import Visualizer

logger = logging.getLogger(__name__)


class Trainer:
    """Trains a model and keeps its checkpoints.

    Args:
        model: on `device`.
        loss: of a (B, B) similarity.
        optimizer, lr_scheduler: of the model's parameters; the schedule (or None) takes a step an epoch.
        config: of the run; its `trainer` section says how long, what to save and what to watch.
        loaders: batches to train on and to evaluate on.
        device: where the model runs.

    Attributes:
        experiment, events: where everything is written, set by `write_to` (None: by another process).
        visualizer: of the ranking page (None: the config asks for none).
        start_epoch: the first epoch to train.
        begun: what is done of it, as `_save_interrupted` saved it (None: nothing).
        saved: the checkpoint to go on from after an interruption, if there is one.
    """

    def __init__(
        self,
        model: CENet,
        loss: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        lr_scheduler: LRScheduler | None,
        config: ConfigParser,
        loaders: ExpertDataLoader,
        device: torch.device,
    ):
        self.model = model
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.config = config
        self.options = config["trainer"]
        self.loaders = loaders
        self.device = device
        if self.options["precision"] == "tf32" and device.type == "cpu":
            logger.warning("trainer.precision: tf32 is for GPUs, on a CPU it is fp32")
        if self.options["compile"]:
            model.compile()
        precision, accumulate = self.options["precision"], self.options["accumulate"]
        self.steps = TrainingSteps(replica(model, optimizer), loss, optimizer, device, precision, accumulate)
        self.monitor = Monitor(self.options["monitor"], self.options.get("early_stop"))
        self.experiment: Experiment | None = None
        self.events: RunEvents | None = None
        self.visualizer: Visualizer | None = None
        self.start_epoch = 1
        self.partial_epoch: dict[str, float] | None = None
        self.saved: Path | None = None
        self._verified = False
        self.interruptions = InterruptHandler()

    def write_to(self, experiment: Experiment, events: RunEvents) -> None:
        """Write everything to the folders of `experiment`, the config to begin with, and tell `events`."""
        self.experiment, self.events = experiment, events
        self.visualizer = build_visualizer(self.config, experiment)
        write_json(experiment.models / CONFIG, self.config.as_dict())
        for kind in KINDS:
            remove_temporary(experiment.folder(kind))
        self._save_what_was_due()

    def _save_what_was_due(self) -> None:
        """Save the last epoch's checkpoint, if the process was killed when it had saved that epoch as the best model."""
        done, models = self.start_epoch - 1, self.experiment.models
        from_best = self.saved is not None and self.saved.resolve() == (models / BEST).resolve()
        if from_best and self._is_due(done) and latest_epoch(models) < done:
            self.saved = save_periodic(models, load_checkpoint(self.saved))

    def train(self) -> None:
        """Train from `start_epoch` on, evaluating and saving after each epoch."""
        if self.start_epoch > self.options["epochs"]:
            logger.info("nothing left to train: epoch %d of %d is done", self.start_epoch - 1, self.options["epochs"])
        try:
            with (
                self.interruptions if get_world_size() == 1 else contextlib.nullcontext()
            ):  # several end together, or not at all
                self._train_epochs()
            self.interruptions.raise_if_interrupted()
        except KeyboardInterrupt:
            logger.info(resume_hint(self.saved, self.config, self.device))
            raise

    def _train_epochs(self) -> None:
        """The epochs; each is reported before it is saved, so that one that was killed in between is reported again."""
        for epoch in range(self.start_epoch, self.options["epochs"] + 1):
            if self.monitor.stalled:
                since_best = count_text(self.monitor.epochs_since_best, "epoch")
                logger.info("stopped: %s has not improved for %s", self.monitor.name, since_best)
                break
            values = self._train_epoch(epoch)
            evaluation = self._evaluate(epoch)
            metrics = broadcast_from_main(functools.partial(getattr, evaluation, "metrics"))
            for metric, measured in metrics.items():
                values |= {f"val_{metric}_{name}": value for name, value in measured.items()}
            self._step_schedule(values)
            best = epoch > self.options["skip_first_n_saves"] and self.monitor.update(values)
            if self.experiment is None:
                continue
            with defer_signals():
                split = label_leaky(self.loaders.split_name, self.model.similarity == "paired-2019")
                logger.info(epoch_line(split, self.options["epochs"], values, evaluation.metrics))
                self.events.epoch(values, evaluation)
                if self.visualizer is not None:
                    self.visualizer.show_epoch(page_data(evaluation), epoch, self.loaders.split_name)
                self._save(epoch, values, best)

    def resume(self, start: ResumePoint) -> None:
        """Continue from a checkpoint; in another run than its own what is best is found anew.

        An optimiser or schedule that the config changes starts afresh.

        Raises:
            InputError: weights of another model, a damaged state, or nothing left to train in another run.
        """
        state, path = start.state, start.path
        load_weights(self.model, state, path)
        same_optimisation = all(state["config"].get(key) == self.config.get(key) for key in ("optimizer", "lr_scheduler"))
        if not same_optimisation:
            logger.warning("optimizer or lr_scheduler differ from those of %s: both start afresh", path)
        try:
            if same_optimisation:
                saved = convert_optimizer_state(state["optimizer"], self.model)
                load_optimizer(self.optimizer, saved, str(path))
            if same_optimisation and self.lr_scheduler is not None:
                self.lr_scheduler.load_state_dict(state["lr_scheduler"])
            set_rng_state(state["random"])
            if start.same_run:
                self.monitor.best, self.monitor.epochs_since_best = state["monitor_best"], state["epochs_since_best"]
        except (KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise InputError(f"{path}: damaged, it cannot be resumed ({type(error).__name__}: {error})") from None
        begun = state.get("begun")
        self.start_epoch = state["epoch"] + (begun is None)
        self.partial_epoch = begun if start.same_run else None
        self.saved = path
        if not start.same_run and self.start_epoch > self.options["epochs"]:
            raise InputError(f"{path}: epoch {state['epoch']} is the last of trainer.epochs, expected more for another run")

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        """Pass over the training videos, or the rest of them, and return its mean loss, steps per second and learning rate.

        An interruption ends it between two steps.
        """
        self.model.train()
        begun, self.partial_epoch = self.partial_epoch or {"step": 0, "loss": 0.0, "seconds": 0.0}, None
        done, losses = begun["step"], LossSum(self.device, begun["loss"])
        steps, first = len(self.loaders.train), done
        self.loaders.sampler.epoch, self.loaders.sampler.first = epoch, first
        started = time.perf_counter()
        try:
            for loss in self.steps.train_batches(self._iter_batches(epoch, first), steps, first):
                losses.add(loss, done)
                done += 1
                if self.interruptions.interrupted and self.steps.is_optimizer_step(done, steps):
                    break
            self.model.raise_if_nan()
            if (bad := losses.bad_step()) is not None:
                raise self.steps.failure(self.steps.last, bad, steps)
        except ProcessLostError:
            raise
        except InputError as error:
            raise InputError(f"epoch {epoch}, {error}; the last checkpoint: {self.saved or 'none'}") from None
        seconds, timed = time.perf_counter() - started, done - first
        if "seconds" in begun:  # not in checkpoints of earlier versions
            seconds, timed = seconds + begun["seconds"], done
        total = losses.total.item()
        self.partial_epoch = {"step": done, "loss": total, "seconds": seconds}
        if self.interruptions.interrupted:
            self._save_interrupted(epoch)
            self.interruptions.raise_if_interrupted()
        return {
            "epoch": epoch,
            "loss": total / steps,
            "steps_per_second": timed / seconds,
            "lr": self.optimizer.param_groups[0]["lr"],
        }

    def _iter_batches(self, epoch: int, first: int) -> Iterator[Mapping]:
        """The batches of an epoch from `first` on; they end where one is waited for when an interruption comes.

        Not where batches are accumulated to one step of the optimiser: those that are left of it are waited for.
        """
        steps = len(self.loaders.train)
        source = iter(self.loaders.train)
        bar = {"desc": f"epoch {epoch}", "initial": first, "total": steps, "leave": False}
        with tqdm(disable=not sys.stdout.isatty(), **bar) as shown:
            for done in range(first, steps):
                between = self.steps.is_optimizer_step(done, steps)
                try:
                    with self.interruptions.interrupt_immediately() if between else contextlib.nullcontext():
                        batch = next(source)
                except KeyboardInterrupt:
                    if between and self.interruptions.interrupted:
                        return
                    raise
                yield batch
                shown.update()

    def _evaluate(self, epoch: int) -> Evaluation:
        """The evaluation after an epoch; the epoch is not lost when it is interrupted."""
        settings = evaluation_settings(self.config)
        try:
            with self.interruptions.interrupt_immediately():
                evaluation = evaluate(self.model, self.loaders.evaluation, device=self.device, **settings)
        except KeyboardInterrupt:
            self._save_interrupted(epoch)
            raise
        except ProcessLostError:
            raise
        except InputError as error:
            steps, lr = len(self.loaders.train), self.optimizer.param_groups[0]["lr"]
            raise InputError(
                f"epoch {epoch}, after step {steps} of {steps}: {error}; learning rate {lr:g} may be too high; "
                f"the last checkpoint: {self.saved or 'none'}"
            ) from None
        self.partial_epoch = None
        return evaluation

    def _step_schedule(self, values: dict[str, float]) -> None:
        """Step the schedule after an epoch with these values."""
        if isinstance(self.lr_scheduler, ReduceLROnPlateau):
            self.lr_scheduler.step(values[self.monitor.name])
        elif self.lr_scheduler is not None:
            with warnings.catch_warnings():
                # Wrong if the process that was interrupted before this evaluation took the optimizer's steps.
                warnings.filterwarnings("ignore", r"Detected call of `lr_scheduler\.step\(\)` before", UserWarning)
                self.lr_scheduler.step()

    def _save(self, epoch: int, values: dict[str, float], best: bool) -> None:
        """Save the epoch's checkpoint if it is due, or the last, and the best model."""
        if epoch <= self.options["skip_first_n_saves"]:
            return
        state, models = self._state(epoch) | {"values": values}, self.experiment.models
        if best:
            self._write(save_checkpoint, models / BEST, state)
        if self._is_due(epoch) or self.monitor.stalled:
            self._write(save_periodic, models, state)
        if self.saved is not None and self.saved.name != INTERRUPTED:
            (models / INTERRUPTED).unlink(missing_ok=True)

    def _is_due(self, epoch: int) -> bool:
        """Whether an epoch has a checkpoint of its own, whatever it comes to."""
        return epoch % self.options["save_period"] == 0 or epoch == self.options["epochs"]

    def _save_interrupted(self, epoch: int) -> None:
        """Save an epoch in its midst, or before its evaluation."""
        if self.experiment is None:
            return
        self._write(
            save_checkpoint, self.experiment.models / INTERRUPTED, self._state(epoch) | {"begun": self.partial_epoch}
        )

    def _write(self, save: Callable[..., Path], place: Path, state: dict[str, Any]) -> None:
        """Save a checkpoint, and read the first one back, so that what cannot be loaded costs one epoch and not all."""
        self.saved = save(place, state, verify=not self._verified)
        self._verified = True

    def _state(self, epoch: int) -> dict[str, Any]:
        """What a checkpoint holds, but for what an evaluation found."""
        return {
            "arch": self.config["arch"]["type"],
            "epoch": epoch,
            "seed": self.config["seed"],
            "state_dict": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "lr_scheduler": None if self.lr_scheduler is None else self.lr_scheduler.state_dict(),
            "monitor_best": self.monitor.best,
            "epochs_since_best": self.monitor.epochs_since_best,
            "random": get_rng_state(),
            "environment": environment(self.device, get_world_size()),
            "config": self.config.as_dict(),
            "config_file": self.config.file,
        }
