"""Build what a config describes: model, loss, optimizer, schedule, batches and ranking page.

Each key was checked when the config was read. Errors in combinations of keys are found here, before any data is read:
experts and dimensions that do not fit together, and hyperparameters that torch refuses.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from base.experiment import Run
from base.registry import find, parameters_of
from data_loader.data_loaders import ExpertDataLoader
from data_loader.experts import check_names, expert_dims, resolve_experts
from data_loader.text_encoders import resolve_text_dim
from model.model import CENet
from parse_config import ConfigParser
from trainer import optim
from trainer.distributed import get_rank, get_world_size
from utils.errors import InputError, count_text
from utils.visualizer import Visualizer

logger = logging.getLogger(__name__)

# Steps of the dry run of a schedule: more epochs than any published training has.
MAX_DRY_STEPS = 1000


def build_model(config: ConfigParser) -> CENet:
    """Build the model that `arch` names, on the CPU, with weights drawn from torch's generator.

    Raises:
        InputError: switches, experts and dimensions that do not fit together.
    """
    with _prefix_errors(config.source):
        cls = find("arch", config["arch"]["type"])
        text_dim, given = resolve_text_dim(config), config["experts"].get("text_dim")
        if given not in (None, text_dim):
            used = f"'{config['experts']['text_feat']}' has {text_dim}, which is used"
            logger.warning("%s: experts.text_dim is %d, but %s", config.source, given, used)
        arguments = {**config["arch"]["args"], **model_arguments(config)}
        accepted = parameters_of(cls)
        with _prefix_errors("arch.args, experts"):
            return cls(**{name: value for name, value in arguments.items() if name in accepted})


def model_arguments(config: Mapping) -> dict[str, Any]:
    """Return the arguments of a model that follow from other sections than `arch`, and `vlad_clusters` of its experts.

    Raises:
        InputError: experts that do not exist or fit together, or numbers of clusters that are missing.
    """
    args, section = config["arch"]["args"], config["experts"]
    loader = config["data_loader"]["args"]
    experts = resolve_experts(section, loader["feat_aggregation"])
    if (clusters := args.get("vlad_clusters")) is None:
        kind = config["arch"]["type"]
        raise InputError(f"arch.args.vlad_clusters: missing, the constructor of {kind} must take it (or **kwargs)")
    for path, by_name in (
        ("arch.args.vlad_clusters", clusters),
        ("arch.args.ghost_clusters", args.get("ghost_clusters") or {}),
        ("data_loader.args.max_tokens", loader.get("max_tokens", {})),
    ):
        check_names(path, by_name.keys() - {"text"}, section)
    check_names("data_loader.args.feat_aggregation", loader["feat_aggregation"], section)
    if "text" not in clusters:
        raise InputError("arch.args.vlad_clusters.text: missing, expected a number of clusters")
    if clusters["text"] == 0 and section.get("text_agg") != "avg":
        raise InputError("arch.args.vlad_clusters.text: 0 is for averaged words, expected experts.text_agg 'avg'")
    shared_dim = section["ce_shared_dim"] if args.get("use_ce") or args.get("mimic_ce_dims") else None
    aggregated = {"text", *(name for name, expert in experts.items() if expert.aggregation == "vlad")}
    return {
        "text_dim": resolve_text_dim(config),
        "disable_nan_checks": config["disable_nan_checks"],
        "expert_dims": expert_dims(experts, clusters, shared_dim),
        "vlad_clusters": {name: count for name, count in clusters.items() if name in aggregated},
    }


def build_loss(config: ConfigParser) -> nn.Module:
    """Build the loss that `loss` names, a function of similarities (B, B), on the CPU.

    Raises:
        InputError: arguments that do not go together.
    """
    with _prefix_errors(f"{config.source}: loss.args"):
        return find("loss", config["loss"]["type"])(**config["loss"]["args"])


def build_optimizer(
    config: ConfigParser, parameters: Iterable[nn.Parameter], loss_parameters: Iterable[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """Build the optimizer that `optimizer` names, for the parameters of a model and, without weight decay, of its loss.

    Raises:
        InputError: torch refuses its arguments.
    """
    groups: list[Any] = list(parameters)
    if of_loss := list(loss_parameters):
        groups = [{"params": groups}, {"params": of_loss, "weight_decay": 0.0}]
    with _torch_errors(config, "optimizer"):
        return optim.instantiate_optimizer(config["optimizer"], groups)


def build_lr_scheduler(config: ConfigParser, optimizer: torch.optim.Optimizer) -> LRScheduler | None:
    """Build the schedule that `lr_scheduler` names, if any; raise an `InputError` if torch fails before the last epoch."""
    _dry_run(config)
    return _lr_scheduler(config, optimizer)


def _lr_scheduler(config: ConfigParser, optimizer: torch.optim.Optimizer) -> LRScheduler | None:
    section = config.get("lr_scheduler")
    if section is None:
        return None
    with _torch_errors(config, "lr_scheduler"):
        return getattr(torch.optim.lr_scheduler, section["type"])(optimizer, **section["args"])


def _dry_run(config: ConfigParser) -> None:
    """Take the steps of all epochs (at most `MAX_DRY_STEPS`) with one fake parameter, lest a training fail in its last."""
    parameter = nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    optimizer = build_optimizer(config, [parameter])
    lr_scheduler = _lr_scheduler(config, optimizer)
    epochs = config["trainer"]["epochs"]
    for _ in range(min(epochs, MAX_DRY_STEPS)):
        with _torch_errors(config, "optimizer"):
            optimizer.step()
        with _torch_errors(config, "lr_scheduler"):
            optim.step_schedule(lr_scheduler, 0.0)
    if (end := getattr(lr_scheduler, "total_steps", epochs)) < epochs:
        with _torch_errors(config, "lr_scheduler"):
            raise ValueError(f"it ends after {end} of {epochs} epochs")


def build_loaders(config: ConfigParser, device: torch.device, **changes: Any) -> ExpertDataLoader:
    """Build the batches to train on and to evaluate on; `changes` override arguments of `ExpertDataLoader`.

    Raises:
        InputError: experts that do not fit together, or data that is missing or invalid.
    """
    with _prefix_errors(config.source):
        arguments = loader_arguments(config, device)
    return ExpertDataLoader(**{**arguments, **changes})


def build_evaluation_loaders(config: ConfigParser, split: str, device: torch.device) -> ExpertDataLoader:
    """Build the batches of a whole split to evaluate, and of the query bank if there is one, but none to train on."""
    return build_loaders(config, device, split_name=split, mini=False, training=False, bank="querybank" in config)


def with_querybank(config: ConfigParser, beta: str) -> ConfigParser:
    """Return a config with a query bank.

    Args:
        beta: its inverse temperature; "val": the one that is best on validation; "": what the config says.
    """
    if not beta:
        return config if "querybank" in config else config.with_overrides(["querybank={}"])
    if beta == "val":
        return config.with_overrides(["querybank.choose_beta=true"])
    return config.with_overrides([f"querybank.beta={beta}", "querybank.choose_beta=false"])


def build_beta_loaders(
    config: ConfigParser, split: str, evaluated: ExpertDataLoader, device: torch.device, required: bool = False
) -> ExpertDataLoader | None:
    """Build the batches of the split that the beta of a query bank is chosen on (None: it is given).

    If a video of the split is evaluated or in the bank, or the split cannot be read, beta is not chosen, with a warning.

    Args:
        split: name of the split that the training was validated on.
        evaluated: batches of the split to evaluate and of the bank.
        required: whether it is an error if beta cannot be chosen.

    Raises:
        InputError: `required`, and beta cannot be chosen.
    """
    section = config.get("querybank", {})
    if not section.get("choose_beta") or section["method"] == "csls":  # which has no beta
        return None
    try:
        loaders = build_evaluation_loaders(config.with_overrides(["querybank=null"]), split, device)
    except InputError as error:
        if required:
            raise
        logger.warning("querybank: beta %g, which cannot be chosen: %s", section["beta"], error)
        return None
    for others, name in ((evaluated.evaluation, "what is evaluated"), (evaluated.bank, "the query bank")):
        if both := sorted(set(loaders.evaluation.dataset.ids) & set(others.dataset.ids)):
            shared = f"split '{split}' shares {count_text(len(both), 'video')} with {name}, first '{both[0]}'"
            if required:
                raise InputError(f"querybank.choose_beta: {shared}, expected none (a number takes that beta)")
            logger.warning("querybank: beta %g, which cannot be chosen: %s", section["beta"], shared)
            return None
    return loaders


def loader_arguments(config: ConfigParser, device: torch.device) -> dict[str, Any]:
    """Return the arguments of `ExpertDataLoader`: those of `data_loader.args`, and what follows from other sections."""
    section, args = config["experts"], dict(config["data_loader"]["args"])
    args.pop("trn_cat", None)  # off
    return {
        "experts": resolve_experts(section, args.pop("feat_aggregation")),
        **args,
        "text_feat": section["text_feat"],
        "text_dim": resolve_text_dim(config),
        "text_agg": section.get("text_agg", "vlad"),
        "training_file": config.get("training_file"),
        "caption_masks": config.get("caption_masks"),
        "seed": config["seed"],
        "pad_to_max": not config["arch"]["args"].get("mask_padding", True),
        "pin_memory": device.type == "cuda",
        "evaluation_memory": config["evaluation_memory"],
        "share": (get_rank(), get_world_size()),
        "cache_refusal": config.cache_refusal,
        "teachers": _teacher_files(config),
    }


def _teacher_files(config: ConfigParser) -> list[str] | None:
    """Return the files of the teachers, in the folder of the features (None: `distil_loss` is off)."""
    if not config.get("distil_loss"):
        return None
    params = config["distil_params"]
    return [f"{params['base_path']}{name}" for name in params["teachers"]]


def build_visualizer(config: ConfigParser, run: Run) -> Visualizer | None:
    """Build the writer of the ranking page of a run (None: the config has no `visualizer`)."""
    if "visualizer" not in config:
        return None
    model = config["arch"]["args"]
    return Visualizer(
        **config["visualizer"]["args"],
        folder=run.web,
        name=f"{run.experiment} {run.id}",
        similarity=model.get("similarity", "pairwise"),
        l2renorm=model.get("l2renorm", False),
        v2t_ties=config.v2t_ties,
    )


@contextlib.contextmanager
def _prefix_errors(prefix: str) -> Iterator[None]:
    """Put `prefix: ` before the message of an `InputError`."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{prefix}: {error}") from None


@contextlib.contextmanager
def _torch_errors(config: ConfigParser, section: str) -> Iterator[None]:
    """Turn an error of torch, of any type, into an `InputError` about the arguments of a section."""
    try:
        yield
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError, AssertionError) as error:
        kind, values = config[section]["type"], ", ".join(f"{name}={x!r}" for name, x in config[section]["args"].items())
        source = f"{config.source}: {section}.args"
        raise InputError(f"{source}: {kind} does not work with {values or 'its defaults'} ({error})") from None
