"""Models by name from a hub, or from disk; where there is neither, that is known within seconds.

No code that comes with a model is ever run, and no pickle that could run any.
"""

import contextlib
import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from utils.errors import InputError, one_line

REACH_SECONDS = 5
LONGEST_REASON = 300


@contextlib.contextmanager
def loading(spec: str, wanted: str, local: bool = False) -> Iterator[None]:
    """Load a model inside, and try it: whatever that fails at is one line, and no request is repeated.

    Args:
        spec: what asked for it.
        wanted: what is looked for, a hub name or a path.
        local: it is on disk, so that no hub is asked.

    Raises:
        InputError: it is not there, or not what it should be.
    """
    from huggingface_hub import constants  # comes with what extraction needs, so only where a model is loaded

    offline, logged = constants.HF_HUB_OFFLINE, logging.root.manager.disable
    absent = not local and not _reachable(constants.ENDPOINT)
    constants.HF_HUB_OFFLINE = offline or local or absent
    logging.disable(logging.CRITICAL)
    try:
        yield
    except (InputError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # libraries and broken files raise whatever they like
        reason = one_line(str(error) or type(error).__name__)[:LONGEST_REASON]
        hub = f"; {constants.ENDPOINT} cannot be reached" if absent else ""
        raise InputError(f"model '{spec}': looked for {wanted}, found none that can be used ({reason}{hub})") from None
    finally:
        constants.HF_HUB_OFFLINE = offline
        logging.disable(logged)


@functools.cache
def _reachable(hub: str) -> bool:
    """Whether the hub answers. The hub's library would find that it does not in 20 to 50 seconds."""
    from huggingface_hub import get_session

    try:
        get_session().head(hub, timeout=REACH_SECONDS)
    except Exception:  # of the client, of a proxy, or of being told to stay offline
        return False
    return True


def is_folder(name: str | Path) -> bool:
    """Whether a model's name is that of a folder on disk."""
    return Path(name).is_dir()


def wanted(name: str | Path) -> str:
    """What is looked for by a name that may be a folder's, as a message says it."""
    return f"folder '{name}'" if is_folder(name) else f"'{name}' on the hub (there is no such folder)"


def pretrained(kind: Any, source: str | Path) -> tuple[torch.nn.Module, bool]:
    """A model of `transformers` for evaluation, and whether its pooler has weights (some are published without).

    Args:
        kind: the class with `from_pretrained`.
        source: the name on a hub, or a folder.

    Raises:
        ValueError: other weights are missing; they would be random.
    """
    model, found = kind.from_pretrained(source, trust_remote_code=False, dtype=torch.float32, output_loading_info=True)
    missing = sorted(found["missing_keys"])
    if other := [key for key in missing if "pooler" not in key.split(".")]:
        raise ValueError(f"it has no weights for '{other[0]}'")
    return model.eval(), not missing
