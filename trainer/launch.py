"""How `train.py` and `test.py` were started, by torchrun or not; without torch, which takes a second to import."""

import os
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def is_distributed() -> bool:
    """Return whether torchrun has started several processes."""
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ["WORLD_SIZE"] != "1"


def prepare_early(prepare: Callable[[], T]) -> Callable[[], T]:
    """Call `prepare` before torch is imported, and return a function that returns its result.

    Of several processes only the main one may report errors and ask questions: `prepare` itself is returned, for
    `trainer.distributed.broadcast_from_main`.
    """
    if is_distributed():
        return prepare
    prepared = prepare()
    return lambda: prepared
