"""Validation of configs: the schema, and what no schema says of single keys."""

import contextlib
import difflib
import inspect
import json
from collections.abc import Iterator
from typing import Any

import pydantic
import torch

from base.arguments import model_arguments
from base.schema import Config, ExpertEntry, Section
from data_loader.experts import EXPERTS, declared_experts
from model import metric, model
from utils.errors import InputError

METRIC_NAMES = (*(f"R{k}" for k in metric.RECALL_LEVELS), "MedR", "MeanR", "geometric_mean_R1-R5-R10")
MOST_STEPS = 1000
MODULES = {"optimizer": torch.optim, "lr_scheduler": torch.optim.lr_scheduler}
PASSED_BY_TRAINER = {"params", "optimizer", "self"}
_FUNCTION = "its lr_lambda is a function, which JSON cannot hold"
_SCHEDULES = "its schedulers are objects, which JSON cannot hold"
# Classes of torch that this training cannot work with, and why.
UNUSABLE = {
    "Optimizer": "it is the base class of optimizers",
    "LBFGS": "it computes the loss several times a step, this training once",
    "SparseAdam": "it is for sparse gradients, those of the models are dense",
    "Muon": "it is for matrices only, the models have vectors of parameters too",
    "LRScheduler": "it is the base class of schedules",
    "LambdaLR": _FUNCTION,
    "MultiplicativeLR": _FUNCTION,
    "SequentialLR": _SCHEDULES,
    "ChainedScheduler": _SCHEDULES,
}


def validate(config: dict, training: bool) -> dict:
    """`config` with every default filled in.

    Args:
        training: whether the sections that only a training needs have to be there.

    Raises:
        InputError: one line with the path of the first key that is unknown, missing, of a wrong type or at odds with others.
    """
    try:
        validated = Config.model_validate(config)
    except pydantic.ValidationError as error:
        problems = error.errors()
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InputError(_explain(problems[0]) + more) from None
    checked = validated.model_dump(exclude_none=True)
    if checked.get("v2t_ties") == "expected":  # the default, which configs of earlier runs do not name
        del checked["v2t_ties"]
    if training:
        for section in ("optimizer", "loss", "trainer"):
            if section not in checked:
                raise InputError(f"{section}: missing, a training needs it")
    for section, content in checked.items():
        try:
            text = json.dumps(content, allow_nan=False, ensure_ascii=False)
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{section}: holds a letter that is none ({error.reason}), expected text") from None
        except ValueError:
            raise InputError(f"{section}: holds NaN or Infinity, expected finite numbers") from None
        if "\\u0000" in text:
            raise InputError(f"{section}: holds a zero byte, expected text")
    if len(set(checked["metrics"])) < len(checked["metrics"]):
        raise InputError(f"metrics: found {checked['metrics']}, expected each once")
    _check_optimisation(checked)
    _check_model(checked)
    if "trainer" in checked:
        _check_trainer(checked)
    return checked


def suggestion(name: str, known: list[str]) -> str:
    """The nearest of the `known` names, or all of them."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean '{nearest[0]}'?" if nearest else f"expected one of {', '.join(known)}"


def _explain(problem: dict) -> str:
    """One line on one of pydantic's errors."""
    path = ".".join(map(str, problem["loc"])).encode("unicode_escape").decode()
    found = problem["input"]
    of_expert = len(problem["loc"]) == 2 and problem["loc"][0] == "experts" and problem["loc"][1] not in EXPERTS
    unknown_expert = of_expert and problem["type"] == "model_type" and found is not None
    if problem["type"] == "extra_forbidden" or unknown_expert:
        *parents, name = problem["loc"]
        return f"{path}: unknown key, {suggestion(str(name), list(_section_at(parents).model_fields))}"
    if problem["type"] == "missing":
        return f"{path}: missing, expected a value"
    if problem["type"] == "model_type":
        return f"{path}: found {found!r}, expected an object"
    kind = "an object" if isinstance(found, dict) else repr(found)
    return f"{path}: found {kind}, {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _section_at(path: list) -> type[Section]:
    """The section of the schema at `path`."""
    section: Any = Config
    for name in path:
        field = section.model_fields.get(name)
        if field is None:  # an expert's entry
            return ExpertEntry
        section = next(kind for kind in (field.annotation, *getattr(field.annotation, "__args__", ())) if _is_section(kind))
    return section


def _is_section(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, Section)


def torch_classes(section: str) -> list[str]:
    """Return the names of the public classes of torch that `optimizer` or `lr_scheduler` may look among."""
    module = MODULES[section]
    return [
        name
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and kind.__module__.startswith(module.__name__) and not name.startswith("_")
    ]


def _check_arguments(section: str, entry: dict) -> None:
    """Refuse a class that does not exist or that cannot be trained with, and arguments that it does not take."""
    module = MODULES[section]
    classes = [name for name in torch_classes(section) if name not in UNUSABLE]
    if entry["type"] in UNUSABLE and entry["type"] in torch_classes(section):
        reason = UNUSABLE[entry["type"]]
        raise InputError(f"{section}.type: {entry['type']} cannot be used, {reason}; expected one of {', '.join(classes)}")
    if entry["type"] not in classes:
        raise InputError(f"{section}.type: no '{entry['type']}' in {module.__name__}, {suggestion(entry['type'], classes)}")
    parameters = inspect.signature(getattr(module, entry["type"])).parameters
    known = [name for name in parameters if name not in PASSED_BY_TRAINER]
    for name, value in entry["args"].items():
        if name not in known:
            raise InputError(f"{section}.args.{name}: unknown key of {entry['type']}, {suggestion(name, known)}")
        _check_argument(f"{section}.args.{name}", value, parameters[name].default)


def _check_argument(path: str, value: Any, default: Any) -> None:
    """Refuse a value of another type than the default, milestones that are not epochs, and schedules by negative numbers.

    torch checks none of these.

    Args:
        path: of the key.
        default: of the argument, which tells its type.
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


def _check_optimisation(config: dict) -> None:
    """Refuse an optimizer and a schedule that cannot take the steps of all epochs (at most 1000) for one parameter."""
    parameter = torch.zeros(1, requires_grad=True)
    parameter.grad = torch.zeros(1)
    arguments: dict[str, Any] = {"params": [parameter]}
    built = {}
    for section in ("optimizer", "lr_scheduler"):
        if section in config:
            _check_arguments(section, config[section])
        if section in config and "optimizer" in config:
            with _values_of(section, config[section]):
                built[section] = getattr(MODULES[section], config[section]["type"])(**arguments, **config[section]["args"])
            arguments = {"optimizer": built[section]}
    epochs = config.get("trainer", {}).get("epochs", 1)
    for _ in range(min(epochs, MOST_STEPS)):
        for section, stepper in built.items():
            with _values_of(section, config[section]):
                stepper.step(*[0.0] * isinstance(stepper, torch.optim.lr_scheduler.ReduceLROnPlateau))
    if (end := getattr(built.get("lr_scheduler"), "total_steps", epochs)) < epochs:
        with _values_of("lr_scheduler", config["lr_scheduler"]):
            raise ValueError(f"it ends after {end} of {epochs} epochs")


@contextlib.contextmanager
def _values_of(section: str, entry: dict) -> Iterator[None]:
    """Blame what goes wrong in torch, which checks values with whatever comes to hand, on a section."""
    try:
        yield
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError, AssertionError) as error:
        values = ", ".join(f"{name}={value!r}" for name, value in entry["args"].items())
        raise InputError(
            f"{section}.args: {entry['type']} does not work with {values or 'its defaults'} ({error})"
        ) from None


def _check_model(config: dict) -> None:
    """The switches, experts and dims have to make a model; it is built without memory to see."""
    args = config["arch"]["args"]
    if "text" not in args["vlad_clusters"]:
        raise InputError("arch.args.vlad_clusters.text: missing, expected a number of clusters")
    experts = [*EXPERTS, *(name for name in declared_experts(config["experts"]) if name not in EXPERTS)]
    for path, names in (
        ("arch.args.vlad_clusters", args["vlad_clusters"].keys() - {"text"}),
        ("data_loader.args.feat_aggregation", config["data_loader"]["args"]["feat_aggregation"]),
    ):
        if unknown := sorted(set(names) - set(experts)):
            raise InputError(f"{path}.{unknown[0]}: no such expert, {suggestion(unknown[0], experts)}")
    try:
        with torch.device("meta"):
            model.CENet(**{**args, **model_arguments(config)})
    except InputError as error:
        raise InputError(f"arch.args, experts: {error}" if str(error).startswith("CENet") else str(error)) from None


def _check_trainer(config: dict) -> None:
    """The monitored value has to exist, and something has to be saved."""
    trainer = config["trainer"]
    known = ["epoch", "loss", *(f"val_{metric}_{name}" for metric in config["metrics"] for name in METRIC_NAMES)]
    mode, _, name = trainer["monitor"].partition(" ")
    if trainer["monitor"] != "off" and mode not in ("max", "min"):
        raise InputError(f"trainer.monitor: found '{trainer['monitor']}', expected 'off', 'max <name>' or 'min <name>'")
    if trainer["monitor"] != "off" and name not in known:
        raise InputError(f"trainer.monitor: no value '{name}', {suggestion(name, known)}")
    if trainer["monitor"] == "off" and "early_stop" in trainer:
        raise InputError("trainer.early_stop: needs trainer.monitor, which is off")
    schedule = config.get("lr_scheduler")
    if schedule and schedule["type"] == "ReduceLROnPlateau":
        if trainer["monitor"] == "off":
            raise InputError("lr_scheduler.type: ReduceLROnPlateau needs trainer.monitor, which is off")
        found = schedule["args"].get("mode", "min")
        if found != mode:
            raise InputError(
                f"lr_scheduler.args.mode: found '{found}'{'' if 'mode' in schedule['args'] else ', the default'}, expected "
                f"'{mode}', for trainer.monitor watches the {mode}imum of '{name}'"
            )
    if trainer["skip_first_n_saves"] >= trainer["epochs"]:
        raise InputError(
            f"trainer.skip_first_n_saves: {trainer['skip_first_n_saves']} of {trainer['epochs']} epochs, "
            "nothing would be saved"
        )
