"""Read the pickles of `shared_memory` as a whole and item by item, and print one line per problem.

It is run as a program, which may crash: `read_shared_memory.py <number of random pickles>`.
"""

import gc
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from helpers.hostile.opcodes import BYTE
from helpers.hostile.shared_memory import PROGRAMS, random_program
from helpers.paths import ROOT

from data_loader.readers.pickle_file import StreamingUnpickler, UnstreamableError
from utils.safe_pickle import SafeUnpickler


def whole(data: bytes) -> Any:
    return SafeUnpickler(io.BytesIO(data)).load()


def streamed(data: bytes) -> dict:
    """Return the items of a pickle, each with a description from when it was yielded."""
    items = StreamingUnpickler(io.BytesIO(data)).iter_items()
    return {key: (value, described(value)) for key, value in items}


def arrays_in(value: Any) -> list[np.ndarray]:
    """Return all arrays in a value, each once."""
    seen, found, pending = set(), [], [value]
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, np.ndarray):
            found.append(part)
        if isinstance(part, dict):
            pending += dict.values(part)
        elif isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.dtype.hasobject):
            pending += list(part.flat) if isinstance(part, np.ndarray) else part
    return found


def described(value: Any, depth: int = 8) -> Any:
    """Return what a value holds, as texts and tuples that nothing can change."""
    if depth == 0:
        return "deeper"
    if isinstance(value, np.ndarray):
        objects = [described(part, depth - 1) for part in value.flat] if value.dtype.hasobject else value.tobytes()
        return str(value.dtype), value.shape, str(objects)
    if isinstance(value, dict):
        return tuple((key, described(part, depth - 1)) for key, part in dict.items(value))
    if isinstance(value, list | tuple):
        return type(value).__name__, *(described(part, depth - 1) for part in value)
    return repr(value) if isinstance(value, int | float | str | bytes | bytearray | set) else type(value).__name__


def overwrite_freed(sizes: Iterable[int]) -> None:
    """Reuse the memory of deleted objects with other content."""
    gc.collect()
    blocks = [np.full(size, 0x5A, np.uint8) for size in sizes for _ in range(20) if size]
    blocks += [bytearray(b"\x5a" * size) for size in sizes]
    del blocks


def problems_of(value: Any) -> list[str]:
    """Return reasons why a value may use the memory of another object."""
    arrays = arrays_in(value)
    wrong = [f"an array of {x.shape} uses the memory of {type(x.base)}" for x in arrays if not x.flags.owndata]
    wrong += ["two arrays share memory" for i, x in enumerate(arrays) for y in arrays[:i] if np.may_share_memory(x, y)]
    numbers = [x for x in arrays if not x.dtype.hasobject]
    if any(x.tobytes().strip(BYTE) for x in numbers):
        wrong.append("an array holds other bytes than those of the pickle")
    before = described(value)
    overwrite_freed([x.nbytes for x in arrays])
    if described(value) != before:
        wrong.append("an array has changed")
    return wrong


def check(data: bytes) -> tuple[list[str], bool]:
    """Read a pickle as a whole and item by item; return the problems, and whether it is read to its end."""
    try:
        value = whole(data)
    except Exception:
        value = None
    wrong = problems_of(value)
    try:
        items = streamed(data)
    except UnstreamableError:
        return wrong, value is not None
    except Exception:
        if value is not None and not isinstance(value, dict):
            return wrong, True
        return wrong + ["refused item by item, read as a whole"] * (value is not None), False
    wrong += problems_of({key: part for key, (part, _) in items.items()})
    value = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value  # as numpy saves a dict
    expected = {key: described(part) for key, part in dict.items(value)} if isinstance(value, dict) else None
    if expected != {key: text for key, (_, text) in items.items()}:
        wrong.append("read as a whole it is another")
    return wrong, True


def main(num_random: int, report: Callable[[str], None]) -> None:
    programs = PROGRAMS | {f"random {seed}": random_program(seed) for seed in range(num_random)}
    num_read = 0
    for name, data in programs.items():
        sys.stderr.write(f"{name}\n")  # the last one, if the process crashes
        sys.stderr.flush()
        wrong, is_read = check(data)
        num_read += is_read
        for problem in wrong:
            report(f"{name}: {problem}")
    report(f"{len(programs)} programs, {num_read} read")


def problems_in_process(num_random: int) -> list[str]:
    """Run this program, in which freed memory is overwritten; return the problems.

    Raises:
        AssertionError: the program crashes, or refuses nearly all pickles.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "PYTHONMALLOC": "debug",
        "MALLOC_PERTURB_": "165",
    }
    command = [sys.executable, "-W", "error", __file__, str(num_random)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, f"{result.returncode} at {result.stderr[-2000:]}"
    *problems, summary = result.stdout.splitlines()
    number, _, num_read, _ = summary.split()
    assert int(number) == num_random + len(PROGRAMS)
    assert int(num_read) > int(number) / 4  # most are refused, but not all
    return problems


if __name__ == "__main__":
    main(int(sys.argv[1]), print)
