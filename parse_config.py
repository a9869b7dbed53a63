"""Configs: a JSON file or the config in a checkpoint, with overrides from the command line."""

import argparse
import copy
import json
import logging
import os
import re
from collections import UserDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from base.config_files import check_depth, merge, read_config
from base.validation import validate
from utils.errors import InputError

logger = logging.getLogger(__name__)

# The behavior that the checkpoints of both releases were trained with.
PUBLISHED_OVERRIDES = ("arch.args.gate_order=sequential", "arch.args.mask_padding=false")

# Keys of paths that are written to or linked from a page. In a config file or on the command line they are the user's
# choice; in a checkpoint they may be a stranger's.
OUTPUT_PATH_KEYS = {
    "trainer.save_dir",
    "tester.save_dir",
    "eval_settings.tester.save_dir",
    "data_loader.args.cache_dir",
    "visualizer.args.src_video_dir",
}
# The key of the folder of the features, which is written to as well, unless their caches have a folder of their own.
DATA_DIR = "data_loader.args.data_dir"


class ConfigParser(UserDict):
    """A validated config, a mapping with all defaults except None (absent) and `v2t_ties` (a property).

    Args:
        config: the content; defaults may be left out.
        source: the name of the config in error messages.
        overrides: `key.path=value` strings, where the value is JSON or a bare string, or in the published form
            `key.path@value`, where it is of the type that the key has; a dot in a key is written `_.` in both.
        training: whether the sections that a training needs are required.
        file: the file that the config came from originally (None: `source`), recorded with results.

    Attributes:
        cache_refusal: why caches of the features may not be created, set by `from_arguments` (None: they may).

    Raises:
        InputError: an invalid config; the message names the source and the key.
    """

    cache_refusal: str | None = None

    def __init__(
        self, config: dict, source: str, overrides: Sequence[str] = (), training: bool = False, file: str | None = None
    ):
        self.source = source
        self.file = file or source
        check_depth(config, source)
        config = copy.deepcopy({key: value for key, value in config.items() if key != "inherit_from"})
        for override in overrides:
            _override(config, override)
        check_depth(config, source)
        try:
            self.data = validate(config, training)
        except InputError as error:
            raise InputError(f"{source}: {error}") from None
        self.data.setdefault("name", self._default_name())

    @classmethod
    def from_file(cls, path: str | Path, overrides: Sequence[str] = (), training: bool = False) -> "ConfigParser":
        """Read a JSON config and the files that it inherits from (paths relative to the working directory)."""
        return cls(read_config(Path(path)), str(path), overrides, training)

    @classmethod
    def from_checkpoint(
        cls, state: dict, path: Path, file: Path | None = None, overrides: Sequence[str] = (), training: bool = False
    ) -> "ConfigParser":
        """Return the config in the checkpoint `path` with content `state`, or the config `file` to be used instead.

        A checkpoint of a public release gets the behavior of these. With `file`, other checkpoints are evaluated with the
        behavior that they were trained with, which their weights do not show, unless `overrides` change it.
        """
        if state.get("published"):
            overrides = [*PUBLISHED_OVERRIDES, *overrides]
        if file:
            config = cls.from_file(file, overrides, training)
            return config if training else config._as_trained(trained_values(state), overrides, path)
        return cls(state["config"], f"config in {path}", overrides, training, state.get("config_file"))

    @classmethod
    def from_arguments(cls, args: argparse.Namespace, state: dict | None = None, training: bool = False) -> "ConfigParser":
        """Return the config of `train.py` or `test.py`: `--config`, or the one in `state`, with the `--set` overrides.

        `state` is the content of the checkpoint `--resume`, if there is one. It may name no output path outside the
        working folder, unless `--set` does too.

        Raises:
            InputError: no config, or a checkpoint with an output path outside the working folder.
        """
        if state is None:
            if not args.config:
                raise InputError("--config FILE: missing, expected a config (or --resume CHECKPOINT, which holds one)")
            return cls.from_file(args.config, args.set, training)
        config = cls.from_checkpoint(state, args.resume, args.config, args.set, training)
        if args.config:
            return config
        given = tuple(f"{_split_override(override)[0]}." for override in args.set)
        for key, path in config.paths_outside_cwd(args.resume).items():
            if f"{key}.".startswith(given):  # it, or a section that holds it
                continue
            found, allowance = f"{config.source}: {key} is '{path}', outside the working folder", f"--set {key}={path}"
            if key != DATA_DIR:
                raise InputError(f"{found}; to allow it, add {allowance}")
            config.cache_refusal = (
                f"{found}; to allow caches there, add {allowance}, or set data_loader.args.cache_dir to another folder"
            )
        return config

    def with_overrides(self, overrides: Sequence[str]) -> "ConfigParser":
        """Return a copy with further overrides."""
        updated = ConfigParser(self.as_dict(), self.source, overrides, file=self.file)
        updated.cache_refusal = self.cache_refusal
        return updated

    def _as_trained(self, trained: Mapping[str, Any], overrides: Sequence[str], checkpoint: Path) -> "ConfigParser":
        """Return a copy for the evaluation of a checkpoint, with the behavior that it was trained with.

        Other arguments of the model that differ and that no override sets are warned of: they may not show in the shapes of
        weights, but change the similarities.
        """
        given = tuple(f"{_split_override(override)[0]}." for override in overrides)
        behavior, kept = {override.partition("=")[0] for override in PUBLISHED_OVERRIDES}, []
        for key, found in leaves(self).items():
            value = trained.get(key, found)
            if value == found or not key.startswith("arch.args.") or f"{key}.".startswith(given):
                continue
            if key in behavior:
                kept.append(f"{key}={json.dumps(value)}")
                logger.warning("%s: trained with %s, which is used instead of that of %s", checkpoint, kept[-1], self.source)
            else:
                values = f"{json.dumps(value)}, but {self.source} says {json.dumps(found)}"
                logger.warning("%s: trained with %s %s", checkpoint, key, values)
        return self.with_overrides(kept) if kept else self

    @property
    def v2t_ties(self) -> str:
        """The rule for ties in v2t ranks, see `model.metric.v2t_ranks`."""
        return self.get("v2t_ties", "expected")

    def test_split(self) -> str:
        """Return the split on which the model is tested.

        It is `test_split`, that of `eval_config` or of `eval_settings`, or the split of the config.

        Raises:
            InputError: `eval_config` is invalid or of another dataset.
        """
        args = self["data_loader"]["args"]
        if "test_split" in self:
            return self["test_split"]
        if "eval_config" not in self or self["eval_mode"] != "test_run":
            return self.with_eval_settings()["data_loader"]["args"]["split_name"]
        eval_args = ConfigParser.from_file(self["eval_config"])["data_loader"]["args"]
        section = f"{self['eval_config']}: data_loader.args"
        if args["dataset_name"] != eval_args["dataset_name"]:
            raise InputError(f"{section}.dataset_name is '{eval_args['dataset_name']}', expected '{args['dataset_name']}'")
        if args["data_dir"] != eval_args["data_dir"]:
            logger.warning("%s.data_dir is '%s', but '%s' is used", section, eval_args["data_dir"], args["data_dir"])
        return eval_args["split_name"]

    def with_test_split(self) -> "ConfigParser":
        """Return a copy with `test_split`, which a training saves with its model."""
        return self.with_overrides([f"test_split={self.test_split()}"])

    def with_eval_settings(self) -> "ConfigParser":
        """Return the config of the test after the training, with `eval_settings` merged over it, if there are any."""
        settings = self.get("eval_settings")
        if not settings or self["eval_mode"] != "test_run":
            return self
        merged = ConfigParser(merge(self.as_dict(), settings), self.source, file=self.file)
        merged.cache_refusal = self.cache_refusal
        return merged

    def paths_outside_cwd(self, checkpoint: Path) -> dict[str, str]:
        """Return the output paths outside the working folder, by key, except the `save_dir` that holds `checkpoint`.

        The user has already chosen that one. Links in the working folder, such as `data`, are the user's and not followed.
        """
        keys = OUTPUT_PATH_KEYS if "cache_dir" in self["data_loader"]["args"] else OUTPUT_PATH_KEYS | {DATA_DIR}
        paths = {key: path for key, path in leaves(self).items() if key in keys}
        model_dirs = [Path(path, "models").resolve() for key, path in paths.items() if key.endswith(".save_dir")]
        chosen = [folder.parent for folder in model_dirs if checkpoint.resolve().is_relative_to(folder)]
        return {
            key: path
            for key, path in paths.items()
            if not Path(os.path.abspath(path)).is_relative_to(Path.cwd())  # noqa: PTH100
            and (key == DATA_DIR or Path(path).resolve() not in chosen)
        }

    def as_dict(self) -> dict:
        """Return a copy of the content, including defaults."""
        return copy.deepcopy(self.data)

    def _default_name(self) -> str:
        """Return `<last part of data_dir, in lower case>-<config stem>`; for `config.json` of a run, its experiment."""
        dataset, path = Path(self["data_loader"]["args"]["data_dir"]).name.lower(), Path(self.source)
        stem = path.resolve().parent.parent.name if path.name == "config.json" else path.stem
        name = stem if stem.startswith(f"{dataset}-") else f"{dataset}-{stem}"
        return re.sub(r"[^\w.-]+", "-", name).lstrip(".-")


def trained_values(state: Mapping) -> dict[str, Any]:
    """Return the numbers and texts in the config of a checkpoint by dotted path; nothing of that config was validated."""
    return {key: value for key, value in leaves(state["config"]).items() if isinstance(value, str | int | float)}


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of `--seeds`, such as "0,1,2"."""
    seeds = [int(seed) if seed.isdecimal() else -1 for seed in text.split(",")]
    if not all(0 <= seed < 2**64 for seed in seeds) or len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds {text}: expected different whole numbers, separated by commas")
    return seeds


def leaves(section: Mapping, prefix: str = "") -> dict[str, Any]:
    """Return the value of each key that is not a section, by its dotted path."""
    values = {}
    for key, value in section.items():
        values |= leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return values


def add_config_arguments(parser: argparse.ArgumentParser, resume_help: str) -> None:
    """Add the arguments that `train.py` and `test.py` have in common."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="JSON config (default: the one in the checkpoint)")
    parser.add_argument("--resume", metavar="CHECKPOINT", type=Path, help=resume_help)
    parser.add_argument("--device", metavar="N", type=int, help="index of the GPU to use (default: the CPU)")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="override a key of the config, such as optimizer.args.lr=0.001; may be repeated; a dot in a key is written _.",
    )
    parser.add_argument(
        "--custom_args",
        metavar="PATH@VALUE+PATH@VALUE",
        dest="set",
        action="extend",
        type=split_custom_args,
        default=[],
        help="the same in the published form; a value gets the type of that in the config, lists have commas",
    )


def split_custom_args(text: str) -> list[str]:
    """Return the overrides in `--custom_args`, such as "a.b@1+c@2"."""
    if wrong := [part for part in text.split("+") if "@" not in part]:
        raise InputError(f"--custom_args {text}: found '{wrong[0]}', expected path@value, or several with + between them")
    return text.split("+")


def _split_override(override: str) -> tuple[str, str, str]:
    """Return the path, the separator ("=", "@" or "") and the value of an override."""
    separator = min((x for x in "=@" if x in override), key=override.index, default="")
    path, _, text = override.partition(separator) if separator else (override, "", "")
    return path, separator, text


def _override(config: dict, override: str) -> None:
    """Set one `key.path=value` or `key.path@value` in `config`."""
    path, separator, text = _split_override(override)
    *parents, name = (key.replace("_.", ".") for key in re.split(r"(?<!_)\.", path))
    if not separator or not all((*parents, name)):
        option, expected = ("--custom_args", "path@value") if separator == "@" else ("--set", "key=value")
        raise InputError(f"{option} {override}: expected {expected}, for example optimizer.args.lr{expected[-6]}0.001")
    for depth, key in enumerate(parents, start=1):
        config = config.setdefault(key, {})
        if not isinstance(config, dict):
            raise InputError(f"--set {override}: {'.'.join(parents[:depth])} is a value, not an object with keys")
    config[name] = _value(path, text) if separator == "=" else _value_like(config.get(name), path, text)


def _value(path: str, text: str) -> Any:
    """Return the value of an override, JSON or a bare string."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
    except (ValueError, RecursionError) as error:
        raise InputError(f"--set {path}: {error}") from None


def _value_like(old: Any, path: str, text: str) -> Any:
    """Return the value of a published override, of the type of the `old` one (None: there is none)."""
    if isinstance(old, list):
        return [_value_like(old[0] if old else "", path, part) for part in text.split(",") if part]
    if isinstance(old, str):
        return text
    if isinstance(old, bool):
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    return _value(path, text)
