"""Loading of models by name from a hub or from disk, with an error within seconds if a model is not available.

Code that comes with a model is not run, and pickles that could run code are not loaded.
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
MAX_REASON = 300  # characters
LOCAL_HELP = "see 'Models on disk' in misc/docs/own-videos.md"


@contextlib.contextmanager
def explain_load_errors(spec: str, source: str, is_local: bool = False) -> Iterator[None]:
    """Convert any error of loading and trying the model `spec` from `source` within the block to one line.

    No request is repeated, and none is sent if the model `is_local`, on disk.

    Raises:
        InputError: the model is not available, or cannot be used.
    """
    from huggingface_hub import constants  # only installed for extraction

    offline, log_level = constants.HF_HUB_OFFLINE, logging.root.manager.disable
    is_unreachable = not is_local and not _reachable(constants.ENDPOINT)
    constants.HF_HUB_OFFLINE = offline or is_local or is_unreachable
    logging.disable(logging.CRITICAL)
    try:
        yield
    except (InputError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # libraries raise many kinds for broken files
        reason = one_line(str(error) or type(error).__name__)[:MAX_REASON]
        hub = f"; {constants.ENDPOINT} cannot be reached, expected a copy on disk: {LOCAL_HELP}" if is_unreachable else ""
        raise InputError(f"model '{spec}': looked for {source}, found none that can be used ({reason}{hub})") from None
    finally:
        constants.HF_HUB_OFFLINE = offline
        logging.disable(log_level)


@functools.cache
def _reachable(hub: str) -> bool:
    """Return whether the hub answers, within seconds: without an answer, its library would wait for 20 to 50 seconds."""
    from huggingface_hub import get_session

    try:
        get_session().head(hub, timeout=REACH_SECONDS)
    except Exception:  # of the client, of a proxy, or of the offline mode
        return False
    return True


def describe_source(name: str | Path) -> tuple[str, bool]:
    """Return a description of a name that may be a folder or a model on the hub, and whether it is a folder."""
    return (f"folder '{name}'", True) if Path(name).is_dir() else (f"'{name}' on the hub (there is no such folder)", False)


def load_pretrained(cls: Any, source: str | Path) -> tuple[torch.nn.Module, bool]:
    """Return a model of `transformers` for evaluation, and whether its pooler has weights (some are published without).

    Raises:
        ValueError: other weights are missing, so that they would be random.
    """
    model, info = cls.from_pretrained(source, trust_remote_code=False, dtype=torch.float32, output_loading_info=True)
    missing = sorted(info["missing_keys"])
    if other := [key for key in missing if "pooler" not in key.split(".")]:
        raise ValueError(f"it has no weights for '{other[0]}'")
    return model.eval(), not missing
