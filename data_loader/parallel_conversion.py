"""Converting several feature files at the same time, in as many processes as there are cores.

It only saves time: `data_loader.store.open_table` converts whatever is not converted here, and reports what is wrong there.
"""

import concurrent.futures
import contextlib
import json
import logging
import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from data_loader.conversion import Encoder, convert
from data_loader.store import cache_path, describe_origin, is_from
from utils.errors import InputError
from utils.files import wait_for_lock
from utils.interrupts import block_signals
from utils.jobs import count_cores
from utils.progress import byte_bar

MIN_BYTES = 256 << 20  # of all files: for fewer, starting processes takes longer than it saves

logger = logging.getLogger(__name__)


class FeatureFile(NamedTuple):
    """A feature file, how its items are converted, and the folder of its cache."""

    source: Path
    encoder: Encoder
    folder: Path

    @property
    def cache(self) -> Path:
        """The path of the cache."""
        return cache_path(self.source, self.encoder, self.folder)

    def has_cache(self) -> bool:
        """Return whether there is a cache of the present file."""
        return is_from(self.cache, describe_origin(self.source, self.encoder))


def convert_files(files: Sequence[FeatureFile]) -> None:
    """Make the caches that are missing or out of date, if there are several of large files; an error leaves a file out."""
    pending = [file for file in files if not file.has_cache()]
    total = sum(file.source.stat().st_size for file in pending)
    workers = min(count_cores(), len(pending))
    if workers < 2 or total < MIN_BYTES or multiprocessing.current_process().daemon:
        return
    with contextlib.ExitStack() as locks:
        for folder in sorted({file.folder for file in pending}):
            folder.mkdir(parents=True, exist_ok=True)
            locks.enter_context(wait_for_lock(folder, str(folder)))
        pending = [file for file in pending if not file.has_cache()]  # another process may have made some
        pending.sort(key=lambda file: -file.source.stat().st_size)  # so that no large one is the last
        _convert_in_processes(pending, workers, total)


def _convert_in_processes(files: Sequence[FeatureFile], workers: int, total: int) -> None:
    others = set(multiprocessing.active_children())
    pool = concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    is_complete = False
    try:
        with block_signals():  # Ctrl-C reaches the processes, too: only this one ends them
            sizes = {pool.submit(_convert_one, file): file.source.stat().st_size for file in files}
        with byte_bar(f"converting {len(files)} files", total) as progress:
            for future in concurrent.futures.as_completed(sizes):
                with contextlib.suppress(InputError, OSError, concurrent.futures.process.BrokenProcessPool):
                    logger.info("%s", future.result())
                progress.update(sizes[future])
        is_complete = True
    finally:
        if not is_complete:
            for process in set(multiprocessing.active_children()) - others:
                process.kill()
        pool.shutdown(cancel_futures=True)


def _convert_one(file: FeatureFile) -> str:
    origin = json.dumps(describe_origin(file.source, file.encoder))
    return convert(file.source, file.encoder, file.cache, origin, progress=False)
