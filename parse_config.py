"""Configs: a JSON file or the config in a checkpoint, with overrides from the command line."""

import argparse
import copy
import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from base.config_files import check_depth, read_config
from base.validation import validate
from utils.errors import InputError

logger = logging.getLogger(__name__)

# The behavior that the checkpoints of the 2019 release were trained with.
PUBLISHED_2019_OVERRIDES = ("arch.args.gate_order=sequential", "arch.args.mask_padding=false")

# Keys of paths that are written to or linked from a page. In a config file or on the command line they are the user's
# choice; in a checkpoint they may be a stranger's.
OUTPUT_PATH_KEYS = ("trainer.save_dir", "tester.save_dir", "data_loader.args.cache_dir", "visualizer.args.src_video_dir")

# Key of the folder with the features, which also holds their caches unless `cache_dir` is set.
DATA_DIR = "data_loader.args.data_dir"


class ConfigParser:
    """A validated config, read like a mapping.

    Args:
        config: the content; defaults may be left out.
        source: the name of the config in error messages.
        overrides: `key.path=value` strings, where the value is JSON or a bare string.
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
            self._config = validate(config, training)
        except InputError as error:
            raise InputError(f"{source}: {error}") from None
        self._config.setdefault("name", self._default_name())

    @classmethod
    def from_file(cls, path: str | Path, overrides: Sequence[str] = (), training: bool = False) -> "ConfigParser":
        """Read a JSON config and the files that it inherits from (paths relative to the working directory)."""
        return cls(read_config(Path(path)), str(path), overrides, training)

    @classmethod
    def from_checkpoint(
        cls, state: dict, path: Path, file: Path | None = None, overrides: Sequence[str] = (), training: bool = False
    ) -> "ConfigParser":
        """Return the config of a checkpoint; one of the 2019 release gets the behavior of that release.

        Args:
            state: the content of the checkpoint.
            path: the path of the checkpoint, for messages.
            file: a config file to read instead of the config in the checkpoint.
            overrides: `key.path=value` strings.
            training: whether the sections that a training needs are required.
        """
        overrides = [*(PUBLISHED_2019_OVERRIDES if state.get("published") else ()), *overrides]
        if file:
            return cls.from_file(file, overrides, training)
        return cls(state["config"], f"config in {path}", overrides, training, state.get("config_file"))

    @classmethod
    def from_arguments(cls, args: argparse.Namespace, state: dict | None = None, training: bool = False) -> "ConfigParser":
        """Return the config of a command that writes: `--config`, or the one in a checkpoint, with the `--set` overrides.

        Args:
            args: the command line, with the arguments of `add_config_arguments`.
            state: the content of the checkpoint `--resume`.
            training: whether the sections that a training needs are required.

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
        given = [override.partition("=")[0] for override in args.set]
        for key, path in config.paths_outside_cwd(args.resume).items():
            if not _is_given(key, given):
                raise InputError(
                    f"{config.source}: {key} is '{path}', outside the working folder; to allow it, add --set {key}={path}"
                )
        if (path := config.data_dir_outside_cwd()) is not None and not _is_given(DATA_DIR, given):
            config.cache_refusal = (
                f"{config.source}: {DATA_DIR} is '{path}', outside the working folder; to allow caches there, add "
                f"--set {DATA_DIR}={path}, or set data_loader.args.cache_dir to another folder"
            )
        return config

    def __getitem__(self, key: str) -> Any:
        return self._config[key]

    def __contains__(self, key: str) -> bool:
        return key in self._config

    def get(self, key: str) -> Any:
        """Return a section, None if the config does not have it."""
        return self._config.get(key)

    def with_overrides(self, overrides: Sequence[str]) -> "ConfigParser":
        """Return a copy with further overrides."""
        updated = ConfigParser(self.as_dict(), self.source, overrides, file=self.file)
        updated.cache_refusal = self.cache_refusal
        return updated

    def test_split(self) -> str:
        """Return the split on which the model is tested: `test_split`, that of `eval_config`, or the split of the config.

        Raises:
            InputError: `eval_config` has another dataset.
        """
        args = self["data_loader"]["args"]
        if "test_split" in self or "eval_config" not in self or self["eval_mode"] != "test_run":
            return self.get("test_split") or args["split_name"]
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

    def paths_outside_cwd(self, checkpoint: Path) -> dict[str, str]:
        """Return the output paths outside the working folder, by key, except the `save_dir` that holds `checkpoint`.

        The user has already chosen that one.
        """
        paths = {key: path for key, path in leaves(self._config).items() if key in OUTPUT_PATH_KEYS}
        model_dirs = [Path(path, "models").resolve() for key, path in paths.items() if key.endswith(".save_dir")]
        chosen = [folder.parent for folder in model_dirs if checkpoint.resolve().is_relative_to(folder)]
        return {
            key: path
            for key, path in paths.items()
            if not _is_in_working_folder(path) and Path(path).resolve() not in chosen
        }

    def data_dir_outside_cwd(self) -> str | None:
        """Return the folder of the features if caches would be created in it and it is outside the working folder."""
        data = self["data_loader"]["args"]
        return None if "cache_dir" in data or _is_in_working_folder(data["data_dir"]) else data["data_dir"]

    def as_dict(self) -> dict:
        """Return a copy of the content, including defaults."""
        return copy.deepcopy(self._config)

    def _default_name(self) -> str:
        """Return `<dataset>-<config stem>`; for the `config.json` of a run, the name of the experiment of the run."""
        dataset, path = Path(self["data_loader"]["args"]["data_dir"]).name.lower(), Path(self.source)
        stem = path.resolve().parent.parent.name if path.name == "config.json" else path.stem
        name = stem if stem.startswith(f"{dataset}-") else f"{dataset}-{stem}"
        return re.sub(r"[^\w.-]+", "-", name).lstrip(".-")


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


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every command on a config has."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="JSON config (default: the one in the checkpoint)")
    parser.add_argument("--resume", metavar="CHECKPOINT", type=Path, help="checkpoint to resume from, or to evaluate")
    parser.add_argument("--device", metavar="N", type=int, help="index of the GPU to use (default: the CPU)")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="override a key of the config, for example optimizer.args.lr=0.001; may be repeated",
    )


def _is_in_working_folder(path: str) -> bool:
    """Return whether a path is in the working folder; links in it, such as `data`, are the user's and not followed."""
    return Path(os.path.abspath(path)).is_relative_to(Path.cwd())  # noqa: PTH100


def _is_given(key: str, given: Sequence[str]) -> bool:
    """Return whether the `given` keys contain `key` or a section that holds it."""
    return any(f"{key}.".startswith(f"{parent}.") for parent in given)


def _override(config: dict, override: str) -> None:
    """Set one `key.path=value` in `config`."""
    path, equals, text = override.partition("=")
    if not equals or not all(path.split(".")):
        raise InputError(f"--set {override}: expected key=value, for example optimizer.args.lr=0.001")
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = text
    except (ValueError, RecursionError) as error:
        raise InputError(f"--set {path}: {error}") from None
    *parents, name = path.split(".")
    for depth, key in enumerate(parents, start=1):
        config = config.setdefault(key, {})
        if not isinstance(config, dict):
            raise InputError(f"--set {override}: {'.'.join(parents[:depth])} is a value, not an object with keys")
    config[name] = value
