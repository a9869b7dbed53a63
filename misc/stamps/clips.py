"""Clips of stamps: a still picture with sounds, each written once."""

import concurrent.futures
import hashlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import av
import numpy as np

from misc.demo import video_files
from misc.demo.video_files import read_sound, write_clip
from misc.stamps import pictures
from misc.stamps.items import Stamp
from misc.stamps.pictures import draw_picture
from utils.errors import InputError, count_text, one_line
from utils.files import remove_temporary
from utils.interrupts import ignore_termination_signals
from utils.progress import bar

RATE = 8  # frames per second, that of an extraction
SAMPLE_RATE = 16000  # Hz, also that of an extraction
MIN_SECONDS, MAX_SECONDS = 2, 15  # of a clip; of each sound


def make_clip(path: Path, stamp: Stamp, files: Mapping[str, bytes]) -> list[str]:
    """Write the clip of a stamp, and return a line for each sound that cannot be used; a ValueError if it has no picture."""
    try:
        picture = draw_picture(stamp.picture, files[stamp.picture])
    except ValueError as error:
        raise ValueError(f"{stamp.picture}: left out, {error}") from None
    sounds, warnings = [], []
    for name in stamp.sounds:
        try:
            sound = read_sound(io.BytesIO(files[name]), SAMPLE_RATE, MAX_SECONDS)
            if sound is None or not len(sound):
                raise ValueError("no sound in it")
            sounds.append(sound)
        except (av.FFmpegError, ValueError) as error:
            reason = one_line(getattr(error, "strerror", None) or str(error))
            warnings.append(f"{name}: left out of its clip, no sound, or damaged ({reason})")
    sound = np.concatenate(sounds) if sounds else None
    seconds = max(MIN_SECONDS, 0 if sound is None else len(sound) / SAMPLE_RATE)
    write_clip(path, [picture] * round(seconds * RATE), RATE, sound, SAMPLE_RATE)
    return warnings


class ClipRecord:
    """The clips that are complete, in a file to which a line is added per clip, so that an interruption loses none."""

    def __init__(self, path: Path):
        self._path = path
        self._entries: dict[str, dict] = {}
        for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
            try:
                entry = json.loads(line)
                self._entries[entry["video"]] = entry
            except (ValueError, KeyError, TypeError, RecursionError):  # the last line of a killed process, or not ours
                continue

    def warnings(self, video: str, source: str, clip: Path) -> list[str] | None:
        """Return the warnings of a complete clip; None if it is not complete, or was made from another source."""
        entry = self._entries.get(video, {})
        is_same = entry.get("source") == source and clip.is_file() and clip.stat().st_size == entry.get("bytes")
        return entry.get("warnings") if is_same else None

    def add(self, video: str, source: str, clip: Path, warnings: Sequence[str]) -> None:
        """Record a complete clip."""
        entry = {"video": video, "source": source, "bytes": clip.stat().st_size, "warnings": list(warnings)}
        self._entries[video] = entry
        with self._path.open("a") as file:
            file.write(f"\n{json.dumps(entry)}")  # after a partial line, a new one

    def remove_others(self, folder: Path, kept: Mapping[str, Stamp]) -> None:
        """Delete the clips of this record that are not in `kept`."""
        for video in self._entries.keys() - kept.keys():
            (folder / f"{video}.webm").unlink(missing_ok=True)


def hash_sources() -> str:
    """Return a digest of the code that clips depend on."""
    paths = [Path(module.__file__) for module in (pictures, sys.modules[__name__], video_files)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def hash_stamp(stamp: Stamp, files: Mapping[str, bytes], code: str) -> str:
    """Return a digest of everything that the clip of a stamp depends on."""
    parts = [code.encode(), *(files[name] for name in (stamp.picture, *stamp.sounds))]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:32]


def make_clips(
    stamps: Mapping[str, Stamp], files: Mapping[str, bytes], data_dir: Path, workers: int
) -> tuple[list[str], list[str]]:
    """Write the clips of stamps that are not complete yet; return the ids of all complete ones, and warnings."""
    folder = data_dir / "videos"
    folder.mkdir(exist_ok=True)
    remove_temporary(folder)
    record = ClipRecord(data_dir / "clips.jsonl")
    record.remove_others(folder, stamps)
    code = hash_sources()
    sources = {name: hash_stamp(stamp, files, code) for name, stamp in stamps.items()}
    clips = {name: folder / f"{name}.webm" for name in stamps}
    warnings = {name: record.warnings(name, sources[name], clips[name]) for name in stamps}
    missing = [name for name in stamps if warnings[name] is None]
    print(f"{count_text(len(stamps), 'stamp')}, {len(stamps) - len(missing)} of them already made", flush=True)
    failed: set[str] = set()
    pool = concurrent.futures.ProcessPoolExecutor(workers, initializer=ignore_termination_signals)
    try:
        jobs = {}
        for name in missing:
            needed = {path: files[path] for path in (stamps[name].picture, *stamps[name].sounds)}
            jobs[pool.submit(make_clip, clips[name], stamps[name], needed)] = name
        for job in bar(concurrent.futures.as_completed(jobs), "clips", total=len(jobs)):
            name = jobs[job]
            try:
                warnings[name] = job.result()
                record.add(name, sources[name], clips[name], warnings[name])
            except ValueError as error:
                failed.add(name)
                warnings[name] = [str(error)]
                clips[name].unlink(missing_ok=True)
    except BrokenProcessPool:
        raise InputError("a process died, perhaps for lack of memory; the same command continues with the others") from None
    finally:
        pool.shutdown(cancel_futures=True)
    return [name for name in stamps if name not in failed], [line for name in stamps for line in warnings[name]]
