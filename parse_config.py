"""Configs: reading, inheritance, command-line overrides, and building the objects that they name."""

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

# What the checkpoints of the 2019 release were trained with.
PUBLISHED_2019_OVERRIDES = ("arch.args.gate_order=sequential", "arch.args.mask_padding=false")

# Where results, caches and links go. What a config file or the command line says of them is what its user wants; what a
# checkpoint says of them may be what a stranger wants.
OUTPUT_PATH_KEYS = ("trainer.save_dir", "tester.save_dir", "data_loader.args.cache_dir", "visualizer.args.src_video_dir")

# Where features are read, and their caches written unless `cache_dir` says another place.
DATA_DIR = "data_loader.args.data_dir"


class ConfigParser:
    """A validated config, read as a mapping.

    Args:
        config: its content, with every key spelled out or defaults left out.
        source: what error messages call it.
        overrides: `key.path=value` strings, the value in JSON or a bare string.
        training: whether it has to have what a training needs.
        file: the file it once came from (None: `source`), recorded with results.

    Attributes:
        cache_refusal: why no cache of the features may be made, as `from_arguments` finds (None: it may).

    Raises:
        InputError: naming the source and the key.
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
        """Read a JSON config and those it inherits from (paths relative to the working directory)."""
        return cls(read_config(Path(path)), str(path), overrides, training)

    @classmethod
    def from_arguments(
        cls, args: argparse.Namespace, state: dict | None = None, training: bool = False, writes: bool = True
    ) -> "ConfigParser":
        """Return the config that the command line means: `--config`, or the one in checkpoint `state`, with `--set`.

        A checkpoint of the 2019 release is evaluated as that release did.

        Args:
            args: the command line.
            state: the content of a checkpoint.
            training: as of the class.
            writes: whether the command writes where its config says.

        Raises:
            InputError: no config, or a checkpoint that says to write outside of the working folder.
        """
        overrides = [*(PUBLISHED_2019_OVERRIDES if state and state.get("published") else ()), *args.set]
        if args.config:
            return cls.from_file(args.config, overrides, training)
        if state is None:
            raise InputError("--config FILE: missing, expected a config (or --resume CHECKPOINT, which holds one)")
        config = cls(state["config"], f"config in {args.resume}", overrides, training, state.get("config_file"))
        if not writes:
            return config
        given = [override.partition("=")[0] for override in args.set]
        for key, path in config.paths_outside_cwd(args.resume).items():
            if not _is_given(key, given):
                raise InputError(
                    f"{config.source}: {key} is '{path}', outside of the working folder; if you want that, say so with "
                    f"--set {key}={path}"
                )
        if (path := config.data_dir_outside_cwd()) is not None and not _is_given(DATA_DIR, given):
            config.cache_refusal = (
                f"{config.source}: {DATA_DIR} is '{path}', outside of the working folder; if caches may be made there, say "
                f"so with --set {DATA_DIR}={path}, or choose a place by data_loader.args.cache_dir"
            )
        return config

    def __getitem__(self, key: str) -> Any:
        return self._config[key]

    def __contains__(self, key: str) -> bool:
        return key in self._config

    def get(self, key: str) -> Any:
        """A section, or None if the config does not have it."""
        return self._config.get(key)

    def with_overrides(self, overrides: Sequence[str]) -> "ConfigParser":
        """This config with further overrides."""
        updated = ConfigParser(self.as_dict(), self.source, overrides, file=self.file)
        updated.cache_refusal = self.cache_refusal
        return updated

    def test_split(self) -> str:
        """The split to test on what this config trains: its `test_split`, that of its `eval_config`, or its own.

        Raises:
            InputError: the `eval_config` is of another dataset.
        """
        own = self["data_loader"]["args"]
        if "test_split" in self or "eval_config" not in self or self["eval_mode"] != "test_run":
            return self.get("test_split") or own["split_name"]
        other = ConfigParser.from_file(self["eval_config"])["data_loader"]["args"]
        place = f"{self['eval_config']}: data_loader.args"
        if own["dataset_name"] != other["dataset_name"]:
            raise InputError(f"{place}.dataset_name is '{other['dataset_name']}', expected '{own['dataset_name']}'")
        if own["data_dir"] != other["data_dir"]:
            logger.warning("%s.data_dir is '%s', '%s' is used all the same", place, other["data_dir"], own["data_dir"])
        return other["split_name"]

    def with_test_split(self) -> "ConfigParser":
        """This config as a training keeps it, saying on which split the best model is tested."""
        return self.with_overrides([f"test_split={self.test_split()}"])

    def paths_outside_cwd(self, checkpoint: Path) -> dict[str, str]:
        """Of the paths that are written to, or shown on a page, those outside of the working folder, by their keys.

        Not the folder of all runs, if `checkpoint` lies in it: somebody chose that.
        """
        paths = {key: path for key, path in leaves(self._config).items() if key in OUTPUT_PATH_KEYS}
        results = [Path(path, "models").resolve() for key, path in paths.items() if key.endswith(".save_dir")]
        chosen = [path.parent for path in results if checkpoint.resolve().is_relative_to(path)]
        inside = [key for key, path in paths.items() if _is_in_working_folder(path) or Path(path).resolve() in chosen]
        return {key: path for key, path in paths.items() if key not in inside}

    def data_dir_outside_cwd(self) -> str | None:
        """Return the folder of the features if caches are made in it and it is outside of the working folder."""
        data = self["data_loader"]["args"]
        return None if "cache_dir" in data or _is_in_working_folder(data["data_dir"]) else data["data_dir"]

    def as_dict(self) -> dict:
        """A copy of the content, defaults included."""
        return copy.deepcopy(self._config)

    def _default_name(self) -> str:
        """<dataset>-<config stem>, as in the published links, where a `config.json` lies in <that>/<time>."""
        dataset, path = Path(self["data_loader"]["args"]["data_dir"]).name.lower(), Path(self.source)
        stem = path.resolve().parent.parent.name if path.name == "config.json" else path.stem
        name = stem if stem.startswith(f"{dataset}-") else f"{dataset}-{stem}"
        return re.sub(r"[^\w.-]+", "-", name).lstrip(".-")


def parse_seeds(text: str) -> list[int]:
    """The seeds of `--seeds` ("0,1,2")."""
    seeds = [int(seed) if seed.isdecimal() else -1 for seed in text.split(",")]
    if not all(0 <= seed < 2**64 for seed in seeds) or len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds {text}: expected different whole numbers, separated by commas")
    return seeds


def leaves(section: Mapping, prefix: str = "") -> dict[str, Any]:
    """Path -> value of every key that holds no further ones."""
    found = {}
    for key, value in section.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that every command on a config has."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="JSON config (default: the one in the checkpoint)")
    parser.add_argument("--resume", metavar="CHECKPOINT", type=Path, help="checkpoint to go on from, or to evaluate")
    parser.add_argument("--device", metavar="N", type=int, help="index of the GPU to use (default: the CPU)")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="override a key of the config, for example optimizer.args.lr=0.001; may be repeated",
    )


def _is_in_working_folder(path: str) -> bool:
    """Return whether a path lies in the working folder. Links in it are its user's, `data` perhaps, and not followed."""
    return Path(os.path.abspath(path)).is_relative_to(Path.cwd())  # noqa: PTH100


def _is_given(key: str, given: Sequence[str]) -> bool:
    """Return whether one of the keys that the command line overrides is `key`, or a section that holds it."""
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
