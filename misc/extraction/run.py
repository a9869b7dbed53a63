"""The loop of an extraction over the videos of a folder."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import humanize

from misc.extraction.video_folder import VANISHED, VideoFolder
from misc.extraction.worker import ExtractionResult, ExtractionTask
from utils.errors import count_text, counts_text
from utils.progress import bar

FLUSH_SECONDS = 30


def extract_videos(folder: VideoFolder, engine: Callable[[Iterable[ExtractionTask]], Iterator[ExtractionResult]]) -> None:
    """Extract from each new or changed video, write its shard, and print the time per video."""
    tasks = [
        ExtractionTask(video, path, missing)
        for video, path in bar(folder.files.items(), "checking videos")
        if (missing := folder.missing_experts(video))
    ]
    if folder.skipped:
        print(f"{count_text(folder.skipped.total(), 'file')} skipped, not videos: {counts_text(folder.skipped)}")
    done = len(folder.files) - len(tasks)
    print(f"{count_text(len(folder.files), 'video')}, {done} of them already extracted", flush=True)
    seconds: Counter[str] = Counter()
    started = written = time.monotonic()
    progress = bar(None, "videos", total=len(tasks), unit="video", smoothing=0.05)
    results = engine(tasks)
    try:
        for number, result in enumerate(results, 1):
            _store(folder, result)
            seconds.update(result.seconds)
            progress.set_postfix_str(f"{len(folder.failures)} failed", refresh=False)
            progress.update()
            if time.monotonic() - written > FLUSH_SECONDS:
                folder.write_failures()
                written = time.monotonic()
                if not sys.stdout.isatty():
                    left = humanize.precisedelta((written - started) / number * (len(tasks) - number), format="%.0f")
                    print(f"{number} of {count_text(len(tasks), 'video')}, {left} left", flush=True)
    finally:
        results.close()
        progress.close()
        folder.write_failures()
    if tasks:
        elapsed = time.monotonic() - started
        shares = ", ".join(f"{step} {x / len(tasks):.3f}" for step, x in seconds.most_common())
        print(
            f"{count_text(len(tasks), 'video')} in {elapsed:.0f} s, {len(tasks) / elapsed:.2f} per second; "
            f"seconds per video and process: {shares}"
        )


def _store(folder: VideoFolder, result: ExtractionResult) -> None:
    """Write the shard of a video, or record its failure."""
    task = result.task
    if result.failure is not None:
        folder.fail(task.id, task.path, result.failure)
        return
    try:
        folder.shards.write(result, folder.settings)
    except FileNotFoundError:
        if task.path.exists():
            raise
        folder.fail(task.id, task.path, VANISHED)
