"""Config files: JSON that inherits from other files."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.errors import InputError
from utils.files import read_limited

# Far more than any config of this project or of the release has.
MAX_BYTES, MAX_CONFIG_DEPTH, MAX_FILES = 1 << 20, 50, 100


def read_config(path: Path) -> dict:
    """Read a config and the files that it inherits from, and merge them.

    `inherit_from` is a path, or several separated by commas, relative to the working directory. A later file overrides an
    earlier one, and the config overrides all of them, see `merge`.

    Raises:
        InputError: a file that is not a JSON object, naming the file; inheritance from itself or from too many files.
    """
    return _read(path, [], ())


def _read(path: Path, seen: list[Path], heirs: tuple[Path, ...]) -> dict:
    """Read a config that `heirs` inherit from, the nearest last; `seen` gets every file that is read."""
    inherited = f"; {heirs[-1]} inherits from it" if heirs else ""
    seen.append(path)
    if path in heirs:
        raise InputError(f"{path}: inherits from itself")
    if len(seen) > MAX_FILES:
        raise InputError(f"{seen[0]}: inherits from more than {MAX_FILES} files")
    if path.suffix != ".json":
        raise InputError(f"{path}: expected a file .json{inherited}")
    try:
        text = read_limited(path, MAX_BYTES).decode("utf-8")
        config = json.loads(text, object_pairs_hook=_unique_keys)
    except FileNotFoundError:
        missing = f"{heirs[-1]}: inherits from '{path}', which is" if heirs else f"{path}:"
        raise InputError(f"{missing} not found") from None
    except (ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path}: not a JSON config ({error}){inherited}") from None
    if not isinstance(config, dict) or not isinstance(config.get("inherit_from", ""), str):
        raise InputError(f"{path}: not a JSON config (expected an object, and a path in inherit_from){inherited}")
    check_depth(config, path)
    merged: dict = {}
    for ancestor in filter(None, config.pop("inherit_from", "").split(",")):
        merged = merge(merged, _read(Path(ancestor), seen, (*heirs, path)))
    return merge(merged, config)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict:
    if repeated := [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]:
        raise ValueError(f"'{repeated[0]}' is there twice")
    return dict(pairs)


def merge(parent: Mapping, child: Mapping) -> dict:
    """Return `parent` with the values of `child`, key by key in nested objects.

    If the child has another `type` than the parent, the `args` of the parent are dropped: they belong to another class.
    """
    merged = dict(parent)
    if "args" in parent and parent.get("type") != child.get("type", parent.get("type")):
        del merged["args"]
    for key, value in child.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if nested else value
    return merged


def check_depth(config: Any, source: str | Path) -> None:
    """Refuse a config that is nested more deeply than recursive functions can follow."""
    level = [config]
    for _ in range(MAX_CONFIG_DEPTH):
        level = [value for part in level for value in (part.values() if isinstance(part, Mapping) else part)]
        level = [value for value in level if isinstance(value, Mapping | list | tuple)]
        if not level:
            return
    raise InputError(f"{source}: objects and lists more than {MAX_CONFIG_DEPTH} deep")
