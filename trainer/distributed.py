"""The processes of a distributed training, started by torchrun. With a single process, nothing here has any effect.

Process 0, the main process, decides, prints and writes. All processes see the same folders of data and runs. Their common
computation is in `trainer.data_parallel`.
"""

import contextlib
import functools
import io
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from trainer.launch import is_distributed
from utils.errors import InputError

T = TypeVar("T")

# Time that a process waits for another one, which may be converting an archive for all of them.
COLLECTIVE_TIMEOUT = timedelta(minutes=30)
CPU = torch.device("cpu")


def get_rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def get_world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main_process() -> bool:
    """Return whether this is the process that decides, prints and writes."""
    return get_rank() == 0


def local_gpu_index(first: int | None) -> int | None:
    """Return the index of this process's GPU; `first` is that of the first process on the machine (None: no GPU)."""
    return first if first is None or get_world_size() == 1 else first + int(os.environ["LOCAL_RANK"])


def launch_command() -> list[str]:
    """Return the words that start a command with as many processes as this one."""
    if get_world_size() == 1:
        return ["python"]
    return ["torchrun", "--standalone", "--nproc_per_node", os.environ["LOCAL_WORLD_SIZE"]]


def check_distributed_config(config: Mapping) -> None:
    """Raise an `InputError` if the processes would not compute the same as one: noise, teachers, or a small batch."""
    count = get_world_size()
    if count > 1 and (noise := config["arch"]["args"].get("randomise_feats")):
        raise InputError(
            f"arch.args.randomise_feats: found '{noise}', expected none with {count} processes: "
            "their noise would differ from that of one process"
        )
    if count > 1 and config.get("distil_loss"):
        raise InputError(f"distil_loss: found true, expected false with {count} processes: TeachText trains in one")
    if (batch_size := config["data_loader"]["args"]["batch_size"]) < count:
        raise InputError(f"data_loader.args.batch_size: {batch_size}, expected a video for each of {count} processes")


class ProcessLostError(InputError):
    """An error for another process that has ended or does not respond."""

    def __init__(self, reason: str):
        rank, count = os.environ.get("RANK", get_rank()), os.environ.get("WORLD_SIZE", get_world_size())
        super().__init__(f"process {rank} of {count} {reason}; --resume auto continues from the last checkpoint")


def distributed_main(main: Callable[..., None]) -> Callable[..., None]:
    """Decorate the work of a command so that torchrun can start it in several processes.

    Only the main process prints to standard output. When one process fails, all end. Only the first error is raised to be
    reported; the other processes exit silently with code 2, or 130 if they were interrupted.
    """

    @functools.wraps(main)
    def wrapper(*args: Any) -> None:
        if not is_distributed():
            main(*args)
            return
        store, rank, count = next(dist.rendezvous("env://"))
        signal.signal(signal.SIGTERM, functools.partial(_exit_on_sigterm, store))
        threading.Thread(target=_watch_launcher, args=(os.getppid(),), daemon=True).start()
        try:
            with wrap_communication_errors():
                backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
                dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=COLLECTIVE_TIMEOUT)
                with (
                    Path(os.devnull).open("w") as devnull,
                    contextlib.redirect_stdout(sys.stdout if is_main_process() else devnull),
                ):
                    main(*args)
            dist.destroy_process_group()
        except BaseException as error:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # see `_exit_on_sigterm`
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if not _is_first_failure(store):
                sys.exit(130 if isinstance(error, KeyboardInterrupt) else 2)
            raise

    return wrapper


def _watch_launcher(launcher: int) -> None:
    """Send this process SIGTERM when its parent `launcher` has ended: a torchrun that is killed ends no process."""
    while os.getppid() == launcher:
        time.sleep(1)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)


def _exit_on_sigterm(store: dist.Store, number: int, _: object) -> None:
    """Exit at once: torchrun sends SIGTERM to a process, and to its data workers, when another process has ended.

    Nothing is raised: torch has a handler of SIGCHLD that raises when a worker ends, at any point of the program, even here.
    """
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    finally:
        try:
            if _is_first_failure(store):
                line = f"error: {ProcessLostError('received SIGTERM, as when another process has ended')}\n"
                os.write(sys.stderr.fileno(), line.encode())
        finally:
            os._exit(128 + number)


def _is_first_failure(store: dist.Store) -> bool:
    """Return whether this is the first call in any process, or torchrun, which keeps the store, has ended."""
    try:
        return store.add("failed", 1) == 1
    except RuntimeError:
        return True


@contextlib.contextmanager
def wrap_communication_errors() -> Iterator[None]:
    """Raise a `ProcessLostError` when another process has ended, or has not responded for too long."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        line = str(error).partition("\n")[0]
        reason = line.rpartition("] ")[2].partition(". ")[0]  # without the place in the source and the advice
        late = "timed out" in reason.lower()
        event = f"got no response from another process for {COLLECTIVE_TIMEOUT}" if late else "lost another process"
        raise ProcessLostError(f"{event} ({reason})") from None


def broadcast_from_main(compute: Callable[..., T], *args: Any) -> T:
    """Return in all processes what `compute(*args)` returns in the main process; it is not called in the others."""
    values = [compute(*args) if is_main_process() else None]
    if get_world_size() > 1:
        dist.broadcast_object_list(values, src=0, device=CPU)
    return values[0]


def main_process_first(compute: Callable[..., T], *args: Any) -> T:
    """Return what `compute(*args)` returns in this process; the others wait for the main process and its files."""
    value = compute(*args) if is_main_process() else None
    broadcast_from_main(lambda: None)
    return value if is_main_process() else compute(*args)


def gather_round_robin(items: Iterable[T], device: torch.device) -> Iterator[T]:
    """Yield in the main process the `items` of all processes, one of each in turn, with their tensors on `device`.

    Yield nothing in the others. The main process has as many items as any other, or one more.
    """
    if not is_main_process():
        for item in itertools.chain(items, [None]):
            _send(item)
        return
    sources = [iter(items), *(_receive(rank, device) for rank in range(1, get_world_size()))]
    while sources:
        for source in list(sources):
            item = next(source, None)
            if item is None:
                sources.remove(source)
            else:
                yield item


def _send(item: Any) -> None:
    """Send any object to the main process."""
    content = io.BytesIO()
    torch.save(item, content)  # unlike pickle, writes a storage with several views once
    dist.send_object_list([content.getvalue()], dst=0, device=CPU)


def _receive(source: int, device: torch.device) -> Iterator[Any]:
    """Yield the objects that process `source` sends, until it sends None."""
    while True:
        content = [b""]
        dist.recv_object_list(content, src=source, device=CPU)
        item = torch.load(io.BytesIO(content[0]), map_location=device, weights_only=False)
        if item is None:
            return
        yield item
