"""The training loop."""

import contextlib
import logging
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from base.device import environment, get_rng_state, set_rng_state, to_device
from base.experiment import CONFIG, FOLDERS, Run
from base.monitor import Monitor
from base.runs import ResumePoint, run_lock
from data_loader.data_loaders import ExpertDataLoader
from data_loader.teachers import Teachers
from logger.logging_setup import log_to
from logger.results import epoch_line, label_leaky
from logger.tensorboard import RunEvents
from model.earlier import convert_optimizer_state
from model.loss import distillation_loss
from model.model import MODEL_INPUTS, CENet
from parse_config import ConfigParser
from trainer.build import build_visualizer
from trainer.data_parallel import DataParallelCENet, average_gradients
from trainer.distributed import broadcast_from_main, get_world_size
from trainer.evaluation import Evaluation, evaluate, evaluation_settings
from trainer.loop_helpers import LossSum, iter_until_interrupted, matmul_precision, nonfinite_loss_error
from trainer.losses import logged_values, ranking_loss
from trainer.next_steps import resume_hint
from trainer.optim import load_optimizer, step_schedule
from trainer.saver import CheckpointSaver
from trainer.weight_average import WeightAverage, checkpoint_weights, load_training_weights
from utils.errors import InputError, count_text
from utils.files import remove_temporary, write_json
from utils.interrupts import InterruptHandler, defer_signals
from utils.visualizer import Visualizer

logger = logging.getLogger(__name__)


def train_batches(
    model: nn.Module,
    loss_function: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: Collection[Mapping],
    device: torch.device,
    losses: LossSum,
    *,
    precision: str = "fp32",
    accumulate: int = 1,
    interrupts: InterruptHandler | None = None,
    description: str = "training",
    teachers: Teachers | None = None,
    average: WeightAverage | None = None,
) -> None:
    """Take the training steps of an epoch, or the rest of them, until `interrupts` notes an interrupt.

    Args:
        model: a `CENet`, or a `DataParallelCENet`, on `device`.
        loss_function: loss of a (B, B) similarity matrix, on `device`; see `model.loss`.
        loader: batches from step `losses.count` on; its length is that of the whole epoch.
        losses: sum to which the loss of each step is added.
        precision: "fp32"; "tf32", with which GPUs multiply float32 matrices with a mantissa of 10 bits; "bf16", with which
            layers multiply bfloat16, on CPUs too. Parameters, batch-norm statistics, similarities and losses are float32.
        accumulate: number of batches whose gradients are averaged for one step of the optimizer. The negatives of a caption
            and the batch-norm statistics are still those of its own batch, so that this is not the same as a larger batch.
        interrupts: handler that notes interrupts (None: they are not handled here).
        teachers: teachers whose similarities are learned too (None: no distillation).
        average: average of the weights that each step of the optimizer is added to (None: there is none).

    Raises:
        InputError: NaN in an available expert, or a loss of NaN or inf. On a CPU it is raised before the step of the
            optimizer, on a GPU, which is not waited for, at the end of the epoch.
    """
    model.train()
    num_steps, lr = len(loader), optimizer.param_groups[0]["lr"]
    interrupts = interrupts or InterruptHandler()
    inputs: dict[str, Any] = {}
    with matmul_precision(precision):
        for step, batch in iter_until_interrupted(loader, losses.count, accumulate, interrupts, description):
            start = step - step % accumulate  # of the batches whose gradients are averaged, fewer at the end of an epoch
            group = range(start, min(start + accumulate, num_steps))
            if step == group[0]:
                optimizer.zero_grad(set_to_none=True)
            inputs = to_device({key: batch[key] for key in MODEL_INPUTS}, device)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                sims = model(**inputs)["cross_view_conf_matrix"]  # (B, B)
            loss = ranking_loss(loss_function, sims, batch)
            if teachers is not None:
                loss = loss + distillation_loss(sims, teachers.similarities(batch).to(device))
            if device.type == "cpu" and not torch.isfinite(loss):
                raise nonfinite_loss_error(model, inputs, step, num_steps, lr)
            (loss / len(group)).backward()
            if step == group[-1]:
                average_gradients(model, loss_function)  # of all processes, if there are several
                optimizer.step()
                if average is not None:
                    average.update(model)
            losses.add(loss.detach(), step)
    model.raise_if_nan()
    if (first := losses.first_nonfinite()) is not None:  # its source is looked for in the last batch
        raise nonfinite_loss_error(model, inputs, first, num_steps, lr)


class Trainer:
    """The training of a model, with an evaluation and a checkpoint after each epoch.

    Args:
        model: model to train, already on `device`; with several processes, after `synchronize_batch_norms`.
        loss_function: loss of a (B, B) similarity matrix, already on `device`; its parameters, if any, are in `optimizer`.
        lr_scheduler: schedule that takes one step per epoch (None: the learning rate is constant).

    Attributes:
        average: average of the weights (None: `trainer.ema_decay` is not set).
        evaluated_model: model to evaluate: that of `average`, or the trained one.
        run, events: folders and TensorBoard events to write to, set by `writing_to` in the main process.
        visualizer: writer of the ranking page (None: the config has no `visualizer`).
        partial_epoch: steps, sum of losses and seconds of the part of the epoch in progress that is done; None between
            epochs. Its name in checkpoints is "begun".
    """

    def __init__(
        self,
        model: CENet,
        loss_function: nn.Module,
        optimizer: torch.optim.Optimizer,
        lr_scheduler: LRScheduler | None,
        config: ConfigParser,
        loaders: ExpertDataLoader,
        device: torch.device,
    ):
        self.model, self.loss_function, self.device = model, loss_function, device
        self.optimizer, self.lr_scheduler = optimizer, lr_scheduler
        self.config, self.options, self.loaders = config, config["trainer"], loaders
        if self.options["precision"] == "tf32" and device.type == "cpu":
            logger.warning("trainer.precision: tf32 is for GPUs, on a CPU it is fp32")
        decay = self.options.get("ema_decay")
        self.average = None if decay is None else WeightAverage(model, decay)
        self.evaluated_model = model if self.average is None else self.average.model
        if self.options["compile"]:
            model.compile()
        self.trained_model = model if get_world_size() == 1 else DataParallelCENet(model)
        self.monitor = Monitor(self.options["monitor"], self.options.get("early_stop"))
        self.saver = CheckpointSaver(self.options)
        self.interrupts = InterruptHandler()
        self.run: Run | None = None
        self.events: RunEvents | None = None
        self.visualizer: Visualizer | None = None
        self.start_epoch = 1
        self.partial_epoch: dict[str, float] | None = None

    @contextlib.contextmanager
    def writing_to(self, run: Run) -> Iterator[None]:
        """Lock the folders of `run`, and write the log and the results of the training to them within the block."""
        config = self.config.as_dict()
        run.with_folders()
        with run_lock(run.models), RunEvents(run.log, config, self.model.modalities, self.start_epoch) as self.events:
            log_to(run.log)
            self.run = run
            self.visualizer = build_visualizer(self.config, run)
            write_json(run.models / CONFIG, config)
            for kind in FOLDERS:
                remove_temporary(run.folder(kind))
            self.saver.folder = run.models
            self.saver.save_missed(self.start_epoch - 1)
            yield

    def train(self) -> None:
        """Train from `start_epoch` on, evaluating and saving after each epoch; `utils.interrupts` describes Ctrl-C."""
        if self.start_epoch > self.options["epochs"]:
            logger.info("nothing left to train: epoch %d of %d is done", self.start_epoch - 1, self.options["epochs"])
        try:
            # With several processes, an interrupt ends all of them at once: they could not agree on a step to stop at.
            with self.interrupts if get_world_size() == 1 else contextlib.nullcontext():
                self._run_epochs()
            self.interrupts.raise_if_interrupted()
        except KeyboardInterrupt:
            logger.info(resume_hint(self.saver.last, self.config, self.device))
            raise

    def _run_epochs(self) -> None:
        """Train, evaluate, report and save each epoch.

        An epoch is reported before it is saved: if the process is killed in between, the epoch is reported again.
        """
        for epoch in range(self.start_epoch, self.options["epochs"] + 1):
            if self.monitor.stalled:
                since_best = count_text(self.monitor.epochs_since_best, "epoch")
                logger.info("stopped: %s has not improved for %s", self.monitor.name, since_best)
                break
            values = self._train_epoch(epoch)
            evaluation, metrics = self._evaluate(epoch)
            values |= {f"val_{key}_{name}": value for key, by_name in metrics.items() for name, value in by_name.items()}
            step_schedule(self.lr_scheduler, values.get(self.monitor.name))
            is_best = epoch > self.options["skip_first_n_saves"] and self.monitor.update(values)
            if self.run is None:
                continue
            with defer_signals():
                split = label_leaky(self.loaders.split_name, self.model.similarity == "paired-2019")
                logger.info(epoch_line(split, self.options["epochs"], values, metrics))
                self.events.add_epoch(values, evaluation.ranks, evaluation.num_candidates, evaluation.expert_weights)
                if self.visualizer is not None:
                    self.visualizer.show_epoch(evaluation.page_data(), epoch, self.loaders.split_name)
                self.saver.save(self._state(epoch) | {"values": values}, is_best, is_last=self.monitor.stalled)

    def resume(self, start: ResumePoint) -> None:
        """Load the state of a checkpoint, to continue after it.

        In another run than that of the checkpoint, the search for the best epoch restarts. If the config changes the
        optimizer or the schedule, both start afresh; so do they and the loss if it changes a loss with parameters.

        Raises:
            InputError: weights of another model, a damaged state, or nothing left to train in another run.
        """
        state, path = start.state, start.path
        load_training_weights(self.model, self.average, state, path)
        loss_state = state.get("loss_state_dict", {})
        learns_loss = bool(loss_state or self.loss_function.state_dict())  # only then does it concern the optimizer
        sections = ("optimizer", "lr_scheduler", *(("loss",) if learns_loss else ()))
        same_optimization = all(state["config"].get(key) == self.config.get(key) for key in sections)
        if not same_optimization:
            which = ("optimizer, lr_scheduler or loss", "all") if learns_loss else ("optimizer or lr_scheduler", "both")
            logger.warning("%s differ from those of %s: %s start afresh", which[0], path, which[1])
        try:
            if same_optimization:
                self.loss_function.load_state_dict(loss_state)
                load_optimizer(self.optimizer, convert_optimizer_state(state["optimizer"], self.model), path)
                if self.lr_scheduler is not None:
                    self.lr_scheduler.load_state_dict(state["lr_scheduler"])
            set_rng_state(state["random"])
            if start.same_run:
                self.monitor.best, self.monitor.epochs_since_best = state["monitor_best"], state["epochs_since_best"]
        except (KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise InputError(f"{path}: damaged, it cannot be resumed ({type(error).__name__}: {error})") from None
        partial_epoch = state.get("begun")
        self.start_epoch = state["epoch"] if partial_epoch is not None else state["epoch"] + 1
        self.partial_epoch = partial_epoch if start.same_run else None
        self.saver.last = path
        if not start.same_run and self.start_epoch > self.options["epochs"]:
            raise InputError(f"{path}: epoch {state['epoch']} is the last of trainer.epochs, expected more for another run")

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        """Train one epoch, or the rest of it, and return its mean loss, steps per second and learning rate.

        An epoch that is interrupted between two steps is saved.
        """
        done, self.partial_epoch = self.partial_epoch or {"step": 0, "loss": 0.0, "seconds": 0.0}, None
        losses = LossSum(self.device, done["loss"], done["step"])
        self.loaders.sampler.epoch, self.loaders.sampler.first = epoch, done["step"]
        started = time.perf_counter()
        with self.saver.named_in_errors(f"epoch {epoch}, "):
            train_batches(
                self.trained_model,
                self.loss_function,
                self.optimizer,
                self.loaders.train,
                self.device,
                losses,
                precision=self.options["precision"],
                accumulate=self.options["accumulate"],
                interrupts=self.interrupts,
                description=f"epoch {epoch}",
                teachers=self.loaders.teachers,
                average=self.average,
            )
        seconds = time.perf_counter() - started + done.get("seconds", 0.0)
        timed_steps = losses.count - (0 if "seconds" in done else done["step"])  # not in checkpoints of earlier versions
        self.partial_epoch = {"step": losses.count, "loss": losses.total.item(), "seconds": seconds}
        if self.interrupts.interrupted:
            self.saver.save_interrupted(self._state(epoch) | {"begun": self.partial_epoch})
            self.interrupts.raise_if_interrupted()
        return {
            **logged_values(self.loss_function),
            "epoch": epoch,
            "loss": self.partial_epoch["loss"] / len(self.loaders.train),
            "steps_per_second": timed_steps / seconds,
            "lr": self.optimizer.param_groups[0]["lr"],
        }

    def _evaluate(self, epoch: int) -> tuple[Evaluation | None, dict[str, dict[str, float]]]:
        """Return the evaluation after an epoch (None: not the main process) and its metrics.

        An epoch whose evaluation is interrupted is saved.
        """
        steps, settings = len(self.loaders.train), evaluation_settings(self.config)
        moment = f"epoch {epoch}, after step {steps} of {steps}: "
        hint = f"; learning rate {self.optimizer.param_groups[0]['lr']:g} may be too high"
        try:
            with self.saver.named_in_errors(moment, hint), self.interrupts.interrupt_immediately():
                evaluation = evaluate(self.evaluated_model, self.loaders.evaluation, device=self.device, **settings)
        except KeyboardInterrupt:
            self.saver.save_interrupted(self._state(epoch) | {"begun": self.partial_epoch})
            raise
        self.partial_epoch = None
        return evaluation, broadcast_from_main(lambda: evaluation.metrics)

    def _state(self, epoch: int) -> dict[str, Any]:
        """Return the content of a checkpoint, without the results of an evaluation."""
        loss_state = self.loss_function.state_dict()
        return {
            "arch": self.config["arch"]["type"],
            "epoch": epoch,
            "seed": self.config["seed"],
            **checkpoint_weights(self.model, self.average),
            **({"loss_state_dict": loss_state} if loss_state else {}),
            "optimizer": self.optimizer.state_dict(),
            "lr_scheduler": None if self.lr_scheduler is None else self.lr_scheduler.state_dict(),
            "monitor_best": self.monitor.best,
            "epochs_since_best": self.monitor.epochs_since_best,
            "random": get_rng_state(),
            "environment": environment(self.device, get_world_size()),
            "config": self.config.as_dict(),
            "config_file": self.config.file,
        }
