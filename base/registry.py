"""Models, losses, metrics and optimizers by the names that configs give them, and the arguments that these classes take.

Names are looked up in the modules of the package `model` and in `trainer.ranger`, and nowhere else: the config in a
stranger's checkpoint can neither import a module nor call anything that is not a model, a loss, a metric or an optimizer of
this project.

The modules are imported by name when a config is validated, and torch, which takes a second, with them: a new file in
`model/` needs no registration. This is the only place where a layer uses one above it.
"""

import dataclasses
import difflib
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Collection, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_origin

import pydantic

from base.schema import OBJECT, VALUE
from utils.errors import InputError
from utils.late_imports import late_imports

PACKAGE = "model"
OPTIMIZERS = "trainer.ranger"
MAX_REPR = 200


@dataclasses.dataclass(frozen=True)
class Component:
    """The kind of class or function that a section of a config names.

    Attributes:
        noun: the name of the kind, and of the module that is searched before the others of the package.
        accepts: returns whether a public object, given with its name, is of the kind.
        supplied: the arguments that the project passes to the class, which a config cannot set.
    """

    noun: str
    accepts: Callable[[str, Any], bool]
    supplied: tuple[str, ...] = ()


def _is_model(_: str, value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, importlib.import_module(f"{PACKAGE}.model").CENet)


def _is_loss(name: str, value: Any) -> bool:
    from torch import nn

    return inspect.isclass(value) and issubclass(value, nn.Module) and name.endswith("Loss")


def _is_metric(name: str, value: Any) -> bool:
    return inspect.isfunction(value) and name.endswith("_metrics")


COMPONENTS = {
    "arch": Component("model", _is_model, ("expert_dims", "text_dim", "disable_nan_checks")),
    "loss": Component("loss", _is_loss),
    "metrics": Component("metric", _is_metric),
}


def find(section: str, name: str, path: str | None = None) -> Any:
    """Return the class or function that a section of a config names, at the key `path` (default: `<section>.type`).

    Raises:
        InputError: an unknown name, or one that two modules define.
    """
    component = COMPONENTS[section]
    if name in (candidates := _candidates(component.noun, component)):
        return candidates[name]
    modules = [component.noun, *(x.name for x in pkgutil.iter_modules(importlib.import_module(PACKAGE).__path__))]
    by_module = {f"{PACKAGE}.{module}": _candidates(module, component) for module in modules}
    owners = [module for module, candidates in by_module.items() if name in candidates]
    path = path or f"{section}.type"
    if len(owners) > 1:
        raise InputError(f"{path}: '{name}' is defined in {' and '.join(owners)}, expected one definition")
    if not owners:
        known = [other for candidates in by_module.values() for other in candidates]
        raise InputError(f"{path}: found {name!r}, no {component.noun} of that name in {PACKAGE}/, {suggest(name, known)}")
    return by_module[owners[0]][name]


def _candidates(name: str, component: Component) -> dict[str, Any]:
    """Return the public objects of one kind that a module of the package defines itself, by name."""
    with late_imports():
        module = importlib.import_module(f"{PACKAGE}.{name}")
    own = {key: value for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__}
    return {key: value for key, value in own.items() if not key.startswith("_") and component.accepts(key, value)}


def optimizers() -> dict[str, type]:
    """Return the optimizers of this project by name."""
    module = importlib.import_module(OPTIMIZERS)
    return {name: getattr(module, name) for name in module.__all__}


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """Return the named parameters of a class's constructor; `**kwargs` stands for those of its parent."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        _, *parameters = inspect.signature(base.__init__, eval_str=True).parameters.values()
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                found.setdefault(parameter.name, parameter)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


def complete_arguments(section: str, cls: type, args: Mapping[str, Any]) -> dict[str, Any]:
    """Check the `args` of a section against the constructor of its class, and fill in the defaults.

    Types are those of the annotations, without conversions; pydantic's annotations, such as `Annotated[int, Field(gt=0)]`,
    narrow them. A parameter without an annotation takes values of the type of its default.

    Returns:
        All arguments that JSON can hold and that are not None.

    Raises:
        InputError: an unknown key, a missing value, or a value of another type.
    """
    supplied = COMPONENTS[section].supplied
    known = {name: parameter for name, parameter in parameters_of(cls).items() if name not in supplied}
    if unknown := [name for name in args if name not in known]:
        raise InputError(unknown_key(f"{section}.args.{unknown[0]}", f" of {cls.__name__}", unknown[0], list(known)))
    completed = {}
    for name, parameter in known.items():
        if name in args:
            _check_value((section, "args", name), parameter, args[name])
            completed[name] = args[name]
        elif parameter.default is parameter.empty:
            raise InputError(f"{section}.args.{name}: missing, expected a value")
        elif (default := _as_json(parameter.default)) is not None:
            completed[name] = default
    return completed


def _check_value(path: Sequence[str], parameter: inspect.Parameter, value: Any) -> None:
    kind: Any = parameter.annotation
    if kind is parameter.empty:
        kind = type(parameter.default) if isinstance(parameter.default, bool | int | float | str) else Any
    if get_origin(kind) is tuple:
        kind = Annotated[kind, pydantic.Strict(False)]  # a list of JSON
    config = pydantic.ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
    try:
        pydantic.TypeAdapter(kind, config=config).validate_python(value)
    except pydantic.ValidationError as error:
        if get_origin(kind) not in (Union, UnionType):
            raise InputError(explain(error, path)) from None
        # Each alternative has failed, and has put its name into the path of its error.
        expected = " or ".join(dict.fromkeys(_expectation(problem) for problem in error.errors()))
        raise InputError(f"{'.'.join(path)}: found {value!r}, {expected}") from None


def _as_json(value: Any) -> Any:
    """Return `value` as JSON would give it back, None if it cannot hold it."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return None


def explain(error: pydantic.ValidationError, path: Sequence[str | int] = ()) -> str:
    """Return one line on the first of pydantic's errors, below the key at `path`, and the number of the others."""
    problem, *others = error.errors()
    key = ".".join(map(str, (*path, *key_path(problem)))).encode("unicode_escape").decode()
    more = f" (and {len(others)} more)" if others else ""
    if problem["type"] == "missing":
        return f"{key}: missing, expected a value{more}"
    if problem["type"] == "model_type":
        return f"{key}: found {_short_repr(problem['input'])}, expected an object{more}"
    found = "an object" if isinstance(problem["input"], dict) else _short_repr(problem["input"])
    return f"{key}: found {found}, {_expectation(problem)}{more}"


def _short_repr(value: Any) -> str:
    """Return a value as code, cut after `MAX_REPR` characters, as it may be the content of a file."""
    text = repr(value)
    return text if len(text) <= MAX_REPR else f"{text[: MAX_REPR - 3]}..."


def key_path(problem: Mapping[str, Any]) -> list[str | int]:
    """Return the keys that lead to one of pydantic's errors, without the tags of alternatives."""
    return [part for part in problem["loc"] if part not in (VALUE, OBJECT)]


def _expectation(problem: Mapping[str, Any]) -> str:
    """Return the message of one of pydantic's errors, such as "input should be a valid integer"."""
    return problem["msg"][0].lower() + problem["msg"][1:]


def unknown_key(path: str, owner: str, name: str, known: Collection[str]) -> str:
    """Return one line on a key that its section, or the class `owner`, does not have."""
    return f"{path.encode('unicode_escape').decode()}: unknown key{owner}, {suggest(name, known)}"


def suggest(name: str, known: Collection[str]) -> str:
    """Return a question for the nearest of the `known` names, or the list of all of them."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean '{nearest[0]}'?" if nearest else f"expected one of {', '.join(known) or 'none'}"
