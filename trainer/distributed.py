"""Several processes that train one model together, started by torchrun; in one process alone nothing here does anything.

Process 0, the main one, decides, prints and writes. The folders of data and of runs are the same for all processes. What
they compute together is in `trainer.replica`.
"""

import contextlib
import ctypes
import functools
import io
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from utils.errors import InputError

T = TypeVar("T")

# For so long a process waits for another, which may be converting an archive for all of them.
COLLECTIVE_TIMEOUT = timedelta(minutes=30)
CPU = torch.device("cpu")
PR_SET_PDEATHSIG = 1  # of Linux's prctl


def get_rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def get_world_size() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main_process() -> bool:
    """Whether this is the process that decides, prints and writes."""
    return get_rank() == 0


def local_gpu_index(first: int | None) -> int | None:
    """The index of this process's GPU, where that of the first process of a machine is `first` (None: no GPU)."""
    return first if first is None or get_world_size() == 1 else first + int(os.environ["LOCAL_RANK"])


def launch_command() -> list[str]:
    """The words that start a command as this one was."""
    if get_world_size() == 1:
        return ["python"]
    return ["torchrun", "--standalone", "--nproc_per_node", os.environ["LOCAL_WORLD_SIZE"]]


def check_distributed_config(config: Mapping) -> None:
    """Refuse what several processes cannot do as one would.

    Raises:
        InputError: noise for experts, or fewer videos in a batch than processes.
    """
    count = get_world_size()
    if count > 1 and (noise := config["arch"]["args"].get("randomise_feats")):
        raise InputError(
            f"arch.args.randomise_feats: found '{noise}', expected none with {count} "
            "processes, whose noise would not be that of one"
        )
    if (batch_size := config["data_loader"]["args"]["batch_size"]) < get_world_size():
        raise InputError(
            f"data_loader.args.batch_size: {batch_size}, expected a video for each of {get_world_size()} processes"
        )


class ProcessLostError(InputError):
    """Another process has ended, or is not heard of."""

    def __init__(self, what: str):
        number, count = os.environ.get("RANK", get_rank()), os.environ.get("WORLD_SIZE", get_world_size())
        super().__init__(
            f"process {number} of {count} {what}; a training goes on from its last checkpoint with --resume auto"
        )


def distributed_main(main: Callable[[], None]) -> Callable[[], None]:
    """Make `main`, where torchrun started it in several processes, a part of what they do together.

    Only the main process prints to standard output. Where one fails all end, and of all their errors one, the first, gets
    out of here, to be told; the other processes exit with code 2 without a word, or with 130 when interrupted.
    """

    @functools.wraps(main)
    def wrapper() -> None:
        if not dist.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
            main()
            return
        store, number, count = next(dist.rendezvous("env://"))
        signal.signal(signal.SIGTERM, functools.partial(_end, store))
        _end_with_launcher()
        try:
            with wrap_communication_errors():
                backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
                dist.init_process_group(backend, store=store, rank=number, world_size=count, timeout=COLLECTIVE_TIMEOUT)
            with (
                Path(os.devnull).open("w") as nowhere,
                contextlib.redirect_stdout(sys.stdout if is_main_process() else nowhere),
            ):
                main()
            dist.destroy_process_group()
        except BaseException as error:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # see `_end`
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if not _first_to_fail(store):
                sys.exit(130 if isinstance(error, KeyboardInterrupt) else 2)
            raise

    return wrapper


def _end_with_launcher() -> None:
    """Let Linux send SIGTERM when torchrun is killed and can end nobody."""
    with contextlib.suppress(OSError, AttributeError):  # another system
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(store: dist.Store, number: int, _: object) -> None:
    """End at once: torchrun ends a process, and its workers with it, when another process has ended.

    Nothing is raised here, for torch raises too when a worker ends, wherever the process is then, and so here.
    """
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    finally:
        try:
            if _first_to_fail(store):
                line = f"error: {ProcessLostError('was told to end (SIGTERM), as when another has ended')}\n"
                os.write(sys.stderr.fileno(), line.encode())
        finally:
            os._exit(128 + number)


def _first_to_fail(store: dist.Store) -> bool:
    """Whether no other process was here before; so it is too where the store has ended, which torchrun keeps."""
    try:
        return store.add("failed", 1) == 1
    except RuntimeError:
        return True


@contextlib.contextmanager
def wrap_communication_errors() -> Iterator[None]:
    """Say in one line what goes wrong between processes.

    Raises:
        LostError: another process has ended, or has not answered for too long.
    """
    try:
        yield
    except RuntimeError as error:
        line = str(error).partition("\n")[0]
        words = line.rpartition("] ")[2].partition(". ")[0]  # not where in the library, nor its advice
        late = "timed out" in words.lower()
        what = f"has not heard of another for {COLLECTIVE_TIMEOUT}" if late else "has lost another, which ended"
        raise ProcessLostError(f"{what} ({words})") from None


def broadcast_from_main(decide: Callable[[], T]) -> T:
    """What the main process decides, in all of them."""
    if get_world_size() == 1:
        return decide()
    decided = [decide() if is_main_process() else None]
    with wrap_communication_errors():
        dist.broadcast_object_list(decided, src=0, device=CPU)
    return decided[0]


def main_process_first(build: Callable[[], T]) -> T:
    """What `build` makes in each process, in the main one before the others, which find what it left on the disk."""
    built = build() if is_main_process() else None
    broadcast_from_main(lambda: None)
    return built if is_main_process() else build()


def gather_round_robin(parts: Iterable[T], device: torch.device) -> Iterator[T]:
    """What the processes make one after the other, a part of each in turn, in the main one; in the others nothing.

    Args:
        parts: those of this process. The main one has as many as any, or one more.
        device: where the tensors in a part are to be.
    """
    if not is_main_process():
        for part in itertools.chain(parts, [None]):
            _send(part)
        return
    sources = [iter(parts), *(_received(number, device) for number in range(1, get_world_size()))]
    while sources:
        for source in list(sources):
            part = next(source, None)
            if part is None:
                sources.remove(source)
            else:
                yield part


def _send(part: Any) -> None:
    """Send anything to the main process."""
    content = io.BytesIO()
    torch.save(part, content)  # a storage of which there are several views goes once
    with wrap_communication_errors():
        dist.send_object_list([content.getvalue()], dst=0, device=CPU)


def _received(source: int, device: torch.device) -> Iterator[Any]:
    """What a process sends, until it sends None."""
    while True:
        content = [b""]
        with wrap_communication_errors():
            dist.recv_object_list(content, src=source, device=CPU)
        part = torch.load(io.BytesIO(content[0]), map_location=device, weights_only=False)
        if part is None:
            return
        yield part
