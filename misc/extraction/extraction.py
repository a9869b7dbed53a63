"""Extraction of experts from a folder of videos, and the archive that is made of them."""

import argparse
import contextlib
import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import humanize

from base.device import select_device
from data_loader.experts import describe_rare_experts
from misc.extraction import archive_writer, caption_files
from misc.extraction.collection_files import EXTRACTION_RECORD, FAILURES, WARNINGS, ZERO_SHOT_FILE
from misc.extraction.engines import ProcessEngine, RayEngine
from misc.extraction.settings import ZeroShot, read_settings
from misc.extraction.training_config import make_training_config, write_training_config
from misc.extraction.video_folder import VANISHED, VideoFolder
from misc.extraction.worker import Description, ExtractionResult, ExtractionTask, Worker, pin_weights
from misc.extraction.zero_shot_file import open_writer
from misc.extractors.text_encoders import build_text_encoder
from misc.video_reading.reader import probe_length
from utils.errors import InputError, count_text, first_names, tally_text
from utils.files import locked, remove_temporary, write_json
from utils.jobs import count_cores
from utils.progress import bar

FLUSH_SECONDS = 30


def extract_videos(folder: VideoFolder, engine: ProcessEngine | RayEngine) -> None:
    """Extract from each new or changed video, write its shard, and print the time per video."""
    tasks = []
    for video, path in bar(folder.files.items(), "checking videos"):
        missing, lacks_poster = folder.missing_experts(video), folder.lacks_poster(video)
        if missing is not None and (missing or lacks_poster):
            tasks.append(ExtractionTask(video, path, missing, probe_length(path), poster=lacks_poster))
    if folder.skipped:
        print(f"{count_text(folder.skipped.total(), 'file')} skipped, not videos: {tally_text(folder.skipped)}")
    some = Counter(name for task in tasks if len(task.experts) < len(folder.settings.outputs) for name in task.experts)
    if some:
        print(f"videos without some experts, or with those of other settings or an older version: {tally_text(some)}")
    if only_posters := sum(not task.experts for task in tasks):
        print(f"{count_text(only_posters, 'extracted video')} without a poster: only decoded for that")
    done = len(folder.files) - len(tasks) + only_posters
    print(f"{count_text(len(folder.files), 'video')}, {done} of them already extracted", flush=True)
    seconds: Counter[str] = Counter()
    started = written = time.monotonic()
    progress = bar(None, "videos", total=len(tasks), unit="video", smoothing=0.05)
    results = engine.extract(tasks)
    try:
        for number, result in enumerate(results, 1):
            store_result(folder, result)
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


def store_result(folder: VideoFolder, result: ExtractionResult) -> None:
    """Write the shard and the posters of a video, or record its failure."""
    task = result.task
    if result.failure is not None:
        if task.experts:  # a video that is extracted can do without a poster
            folder.fail(task.id, task.path, result.failure)
        return
    try:
        if task.experts:
            folder.shards.write(result, folder.settings)
        if result.poster is not None:
            for start, poster in result.part_posters.items():
                folder.posters.write(task.id, task.path, poster, start)
            folder.posters.write(task.id, task.path, result.poster)  # last: without it, all are made again
    except FileNotFoundError:
        if task.path.exists():
            raise
        folder.fail(task.id, task.path, VANISHED)


def select_captions(folder: VideoFolder, args: argparse.Namespace, done: Sequence[str]) -> tuple[dict, dict]:
    """Return the captions of extracted videos and their splits; print what is left out."""
    known, unknown = caption_files.read_captions(args.captions, folder.files, folder.ids)
    captions = {video: known[video] for video in done if video in known}
    if failed := [video for video in known if video not in captions]:
        count = count_text(len(failed), "video")
        print(f"{args.captions}: captions of {count} that cannot be used are left out: {first_names(failed)}")
    if unknown:
        count = count_text(len(unknown), "name")
        print(f"{args.captions}: captions of {count} without a video are left out: {first_names(unknown)}")
    if not captions:
        raise InputError(f"{args.captions}: no caption of an extracted video, expected names such as '{done[0]}'")
    if without := [video for video in done if video not in captions]:
        count, names = count_text(len(without), "video"), first_names(without)
        print(f"{args.captions}: {count} without a caption can be searched, but not used for training: {names}")
    if args.splits:
        splits, left_out = caption_files.read_splits(args.splits, captions, folder.ids)
        if left_out:
            reason = "not extracted, or without a caption"
            print(f"{args.splits}: left out: {count_text(len(left_out), 'video')}, {reason}: {first_names(left_out)}")
    else:
        splits = caption_files.make_splits(list(captions), caption_files.parse_split_shares(args.split), args.seed)
    return captions, splits


def check_captions(folder: VideoFolder, args: argparse.Namespace) -> None:
    """Raise an InputError before hours of work if captions or splits cannot be read, or belong to none of the videos."""
    known, unknown = caption_files.read_captions(args.captions, folder.files, folder.ids)
    if not known and unknown:
        found = f"none of {count_text(len(unknown), 'name')} is a video, first {unknown[0]!r}"
        raise InputError(f"{args.captions}: {found}, expected names such as '{next(iter(folder.files))}'")
    if not known:
        raise InputError(f"{args.captions}: no caption has words, expected some")
    if args.splits:
        caption_files.read_splits(args.splits, known, folder.ids)


def write_archive(folder: VideoFolder, description: Description, args: argparse.Namespace, device: str) -> None:
    """Write the files that training and search read, and a config for training."""
    experts, text = description.experts, description.text
    done = [video for video in folder.files if folder.missing_experts(video) == ()]
    folder.write_failures()
    if not done:
        count, first = count_text(len(folder.failures), "file"), next(iter(folder.failures.values()))
        raise InputError(f"{args.videos}: none of {count} can be used, first {first['file']}: {first['reason']}")
    captions, splits = select_captions(folder, args, done) if args.captions else ({}, {})
    folder.archive.mkdir(parents=True, exist_ok=True)
    folder.remove_old_posters(done)
    training = frozenset(splits.get("train", ()))
    zero_shot = folder.data_dir / ZERO_SHOT_FILE
    if zero_shot.exists() and folder.settings.zero_shot is None:
        print(f"{zero_shot}: deleted, no --zero_shot; with it, the frames are there again without embedding them")
    with open_writer(zero_shot, folder.settings.zero_shot) as writer:
        counts, training_counts, warnings = archive_writer.write_experts(
            folder.archive, done, folder.shards, list(experts), training, writer
        )
    if captions:
        archive_writer.write_captions(folder.archive, captions, build_text_encoder(text["encoder"], device))
    elif splits := archive_writer.read_existing_splits(folder.archive, set(done)):
        print(f"{folder.archive}: existing captions and lists are kept; --captions replaces them")
    archive_writer.write_lists(folder.archive, done, splits)
    before = archive_writer.read_json(folder.data_dir / EXTRACTION_RECORD).get("experts", {})
    archive_writer.remove_experts(folder.archive, [name for name in before if name not in experts])
    link = folder.data_dir / "videos"  # for the ranking page and the search page
    target = args.videos.resolve()  # may be the link itself
    if link.is_symlink() or not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(target, target_is_directory=True)
    content = {"name": args.name, "videos": len(done), "text": text, "settings": folder.settings.model_dump()}
    write_json(folder.data_dir / EXTRACTION_RECORD, content | {"experts": experts})
    available = ", ".join(f"{name} {count}" for name, count in counts.items())
    print(f"{folder.archive}: {count_text(len(done), 'video')}; with {available}")
    if writer is not None:
        print(f"{zero_shot}: frames of {count_text(len(writer.counts), 'video')} by {folder.settings.zero_shot.model}")
    write_json(folder.data_dir / WARNINGS, warnings)
    if warnings:
        count, first = count_text(len(warnings), "video"), next(iter(warnings))
        print(f"{folder.data_dir / WARNINGS}: {count} used without a damaged part, first {first!r}: {warnings[first][0]}")
    if failures := list(folder.failures):
        count, names = count_text(len(failures), "file"), first_names(failures)
        print(f"{folder.data_dir / FAILURES}: {count} cannot be used, with the reason for each: {names}")
    if captions:
        used = {name: experts[name] for name, count in counts.items() if count}
        if rare := describe_rare_experts({name: training_counts[name] for name in used}):
            print(rare)
        config = make_training_config(args.name, folder.data_dir, text, used, splits)
    if not captions or not write_training_config(args.name, config, splits):
        place = "" if args.data_dir == Path("data") / args.name else f" --data_dir {shlex.quote(str(args.data_dir))}"
        print(f"next: python misc/search.py 'what you look for' --name {args.name}{place}")


def run(args: argparse.Namespace) -> None:
    """Extract, and write the archive."""
    settings = read_settings(args.config, args.experts)
    device = str(select_device(args.device))
    if args.zero_shot is not None:
        frames = (settings.zero_shot or ZeroShot(model=args.zero_shot)).frames
        settings = settings.model_copy(update={"zero_shot": ZeroShot(model=args.zero_shot, frames=frames)})
    settings = pin_weights(settings, device)
    exclude = [path for path in (args.captions, args.splits, args.config) if path]
    folder = VideoFolder(args.videos, args.data_dir, settings, exclude)
    if args.captions:
        check_captions(folder, args)
    worker = Worker(settings.model_dump_json(), device, max(1, count_cores() // args.workers))
    if args.engine == "ray":
        engine = RayEngine(worker, args.workers, args.timeout, args.address)
    else:
        engine = ProcessEngine(worker, args.workers, args.timeout)
    with contextlib.ExitStack() as stack:
        with engine:
            description = engine.describe()  # before any folder is made: it fails if a model is missing
            args.data_dir.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(args.data_dir, f"{args.data_dir}: another extraction writes there"))
            for temporary in (folder.shards.folder, folder.posters.folder, folder.archive):
                remove_temporary(temporary)
            try:
                extract_videos(folder, engine)
            except KeyboardInterrupt:
                print("interrupted: the same command continues with the remaining videos")
                raise
        write_archive(folder, description, args, device)
