"""Validation of configs: the schema, and rules that concern more than one key."""

import inspect
import json
from collections.abc import Iterator
from typing import Any, get_args

import pydantic

from base.registry import OPTIMIZERS, complete_arguments, explain, find, key_path, optimizers, suggest, unknown_key
from base.schema import Config, ExpertEntry, Experts, Section
from utils.errors import InputError

# Sections that name classes of torch, by the modules that have them.
MODULES = {"optimizer": "torch.optim", "lr_scheduler": "torch.optim.lr_scheduler"}
SUPPLIED_BY_TRAINER = {"params", "optimizer", "self"}
_FUNCTION = "its lr_lambda is a function, which JSON cannot hold"
_SCHEDULES = "its schedulers are objects, which JSON cannot hold"
# Classes that cannot be used here, with the reasons.
UNUSABLE = {
    "optimizer": {
        "Optimizer": "it is the base class of optimizers",
        "LBFGS": "it computes the loss several times a step, this training once",
        "SparseAdam": "it is for sparse gradients, those of the models are dense",
        "Muon": "it is for matrices only, the models have vectors of parameters too",
        "SWATS": "it is in the corrected release, but no published model was trained with it",
    },
    "lr_scheduler": {
        "LRScheduler": "it is the base class of schedules",
        "LambdaLR": _FUNCTION,
        "MultiplicativeLR": _FUNCTION,
        "SequentialLR": _SCHEDULES,
        "ChainedScheduler": _SCHEDULES,
    },
}


def validate(config: dict, training: bool) -> dict:
    """Return `config` with its defaults, except None; `training` requires the sections that only a training needs.

    Nothing is built: `trainer.build` checks whether experts, dimensions and hyperparameters fit together.

    Raises:
        InputError: one line with the path of the first key that is unknown, missing, of a wrong type or at odds with others.
    """
    try:
        checked = Config.model_validate(config).model_dump(exclude_none=True, by_alias=True)
    except pydantic.ValidationError as error:
        raise InputError(_explain_schema(error)) from None
    if checked.get("v2t_ties") == "expected":  # the default, which configs of earlier runs do not name
        del checked["v2t_ties"]
    _check_release(checked)
    if training:
        for section in ("optimizer", "loss", "trainer"):
            if section not in checked:
                raise InputError(f"{section}: missing, a training needs it")
    for section in ("arch", "loss"):
        if section in checked:
            entry = checked[section]
            entry["args"] = complete_arguments(section, find(section, entry["type"]), entry["args"])
    for section, content in checked.items():
        _check_json(section, content)
    complete_optimizer(checked)
    for section in MODULES:
        if section in checked:
            _check_torch_arguments(section, checked[section])
    if len(set(checked["metrics"])) < len(checked["metrics"]):
        raise InputError(f"metrics: found {checked['metrics']}, expected each once")
    for i, name in enumerate(checked["metrics"]):
        find("metrics", name, f"metrics.{i}")
    if "trainer" in checked:
        _check_trainer(checked)
    return checked


def _explain_schema(error: pydantic.ValidationError) -> str:
    """Return one line on the first error of the schema, with the nearest key where one is unknown."""
    problem, *others = error.errors()
    *parents, name = key_path(problem)
    # A value of an unknown key in `experts` is checked as the entry of an expert.
    is_entry = parents == ["experts"] and problem["type"] == "model_type" and name not in Experts.model_fields
    if problem["type"] != "extra_forbidden" and not (is_entry and problem["input"] is not None):
        return explain(error)
    section: type[Section] = Config
    for parent in parents:
        if (field := section.model_fields.get(parent)) is not None:
            section = next(_sections_in(field.annotation))
        elif section is Experts:
            section = ExpertEntry
    more = f" (and {len(others)} more)" if others else ""
    known = [field.alias or name for name, field in section.model_fields.items()]
    return unknown_key(".".join(map(str, key_path(problem))), "", str(name), known) + more


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Yield the sections in an annotation such as `TrainerSection | None` or `dict[str, FeatAggregation]`."""
    if inspect.isclass(annotation) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections_in(argument)


def _check_release(config: dict) -> None:
    """Refuse keys that a release needs and a config lacks, and keys that exclude each other."""
    args = config["data_loader"]["args"]
    if "text_dim" not in config["experts"] and "root_feat_folder" not in args:
        raise InputError(
            "experts.text_dim: missing, expected the dimension of a word vector (only a config of the corrected release, "
            "with data_loader.args.root_feat_folder, may leave it out)"
        )
    if config.get("eval_settings") and "eval_config" in config:
        raise InputError("eval_settings: found beside eval_config, expected one of them")
    if "querybank" in config and config["arch"]["args"].get("similarity") == "paired-2019":
        raise InputError(
            "querybank: found with arch.args.similarity paired-2019, expected pairwise, or --set querybank=null"
        )
    if args.get("word_dropout") and args.get("text_dropout"):
        raise InputError("data_loader.args.word_dropout: found beside text_dropout, expected one of them")
    if config.get("distil_loss") and "distil_params" not in config:
        raise InputError("distil_params: missing, distil_loss needs the teachers")
    moee = config.get("distil_params", {}).get("moee")
    if isinstance(moee, list) and len(moee) != (number := len(config["distil_params"]["teachers"])):
        raise InputError(f"distil_params.moee: found {len(moee)} values, expected one for each of {number} teachers")
    if "caption_masks" in config and args["fuse_captions"]:
        raise InputError("caption_masks: found with data_loader.args.fuse_captions, which leaves one caption per video")


def _check_json(section: str, content: Any) -> None:
    """Refuse values that a config file cannot hold, but a checkpoint or an override can."""
    try:
        text = json.dumps(content, allow_nan=False, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{section}: holds an invalid character ({error.reason}), expected text") from None
    except ValueError:
        raise InputError(f"{section}: holds NaN or Infinity, expected finite numbers") from None
    except TypeError as error:
        raise InputError(f"{section}: {error}, expected values of JSON") from None
    if "\\u0000" in text:
        raise InputError(f"{section}: holds a zero byte, expected text")


def complete_optimizer(config: dict) -> None:
    """Decouple the weight decay of RAdam in a config of the corrected release, unless the config says otherwise.

    In that release, weight decay reduces the weights and is no part of the gradient. torch's RAdam does so only with
    `decoupled_weight_decay`, which published configs do not name. In other configs RAdam remains torch's.
    """
    if "root_feat_folder" in config["data_loader"]["args"] and config.get("optimizer", {}).get("type") == "RAdam":
        config["optimizer"]["args"].setdefault("decoupled_weight_decay", True)


def classes_of(section: str) -> dict[str, type]:
    """Return the public classes of torch, and of this project, for the section `optimizer` or `lr_scheduler`, by name."""
    import torch  # takes a second: not before the schema is checked

    module = torch.optim if section == "optimizer" else torch.optim.lr_scheduler
    found = {
        name: kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and kind.__module__.startswith(module.__name__) and not name.startswith("_")
    }
    return found | optimizers() if section == "optimizer" else found


def _check_torch_arguments(section: str, entry: dict) -> None:
    """Refuse a class that does not exist or that cannot be trained with, and arguments that it does not take."""
    name, unusable = entry["type"], UNUSABLE[section]
    classes = {other: kind for other, kind in classes_of(section).items() if other not in unusable}
    if name in unusable:
        raise InputError(f"{section}.type: {name} cannot be used, {unusable[name]}; expected one of {', '.join(classes)}")
    if name not in classes:
        where = MODULES[section] + (f" or {OPTIMIZERS}" if section == "optimizer" else "")
        raise InputError(f"{section}.type: no '{name}' in {where}, {suggest(name, list(classes))}")
    parameters = inspect.signature(classes[name]).parameters
    known = [key for key in parameters if key not in SUPPLIED_BY_TRAINER]
    for key, value in entry["args"].items():
        if key not in known:
            raise InputError(unknown_key(f"{section}.args.{key}", f" of {name}", key, known))
        _check_torch_argument(f"{section}.args.{key}", value, parameters[key].default)


def _check_torch_argument(path: str, value: Any, default: Any) -> None:
    """Refuse a value of another type than the default, milestones that are not epochs, and schedules by negative numbers.

    torch checks none of these.
    """
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    if isinstance(default, bool) and not isinstance(value, bool) or is_number and isinstance(value, bool | str):
        raise InputError(f"{path}: found {value!r}, expected {'a number' if is_number else 'true or false'}")
    if path == "lr_scheduler.args.milestones":
        if not isinstance(value, list) or not all(type(epoch) is int and epoch > 0 for epoch in value):
            raise InputError(f"{path}: found {value!r}, expected a list of epochs, whole numbers from 1")
        return
    negative = any(isinstance(x, int | float) and x < 0 for x in (value if isinstance(value, list) else [value]))
    if negative and path.startswith("lr_scheduler.") and path != "lr_scheduler.args.last_epoch":
        raise InputError(f"{path}: found {value!r}, expected no negative number")


def _check_trainer(config: dict) -> None:
    """Refuse a monitored value that does not exist, and a training that would save nothing."""
    trainer = config["trainer"]
    mode, _, name = trainer["monitor"].partition(" ")
    if trainer["monitor"] != "off":
        if mode not in ("max", "min"):
            raise InputError(f"trainer.monitor: found '{trainer['monitor']}', expected 'off', 'max <name>' or 'min <name>'")
        if name not in (known := ["epoch", "loss", *_metric_values(config["metrics"])]):
            raise InputError(f"trainer.monitor: no value '{name}', {suggest(name, known)}")
    elif "early_stop" in trainer:
        raise InputError("trainer.early_stop: needs trainer.monitor, which is off")
    schedule = config.get("lr_scheduler")
    if schedule and schedule["type"] == "ReduceLROnPlateau":
        if trainer["monitor"] == "off":
            raise InputError("lr_scheduler.type: ReduceLROnPlateau needs trainer.monitor, which is off")
        found = schedule["args"].get("mode", "min")
        if found != mode:
            raise InputError(
                f"lr_scheduler.args.mode: found '{found}'{'' if 'mode' in schedule['args'] else ', the default'}, expected "
                f"'{mode}', since trainer.monitor watches the {mode}imum of '{name}'"
            )
    if trainer["skip_first_n_saves"] >= trainer["epochs"]:
        raise InputError(
            f"trainer.skip_first_n_saves: {trainer['skip_first_n_saves']} of {trainer['epochs']} epochs, "
            "nothing would be saved"
        )


def _metric_values(metrics: list[str]) -> list[str]:
    """Return the names of all values that metrics measure, by asking each for two captions and two videos."""
    import numpy as np

    sims, query_masks = np.eye(2, dtype=np.float32), np.ones((2, 1), dtype=bool)
    return [f"val_{metric}_{name}" for metric in metrics for name in find("metrics", metric)(sims, query_masks)]
