"""Extract experts from video files: everything that a training and a search need, in data/<Name>.

Each file below --videos is decoded once, and each expert of the config looks at it; `misc/extractors/` has them. A video's
id is its path below that folder without the suffix. What was done is kept: the same command goes on where it was
interrupted, and looks only at what is new or changed. Files that cannot be used are in data/<Name>/failures.json, those that
are used without a damaged part in data/<Name>/warnings.json.
"""

import argparse
import contextlib
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import humanize

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from base.device import select_device
from data_loader.datasets import LAYOUTS
from misc.collection_files import EXTRACTION, FAILURES, WARNINGS
from misc.extractors import archive, captions
from misc.extractors.collection import Collection
from misc.extractors.engines import ENGINES, in_processes, on_ray
from misc.extractors.settings import DEFAULT, read_settings
from misc.extractors.text import TextEncoder, text_encoder
from misc.extractors.work import Outcome, Task, Work
from utils.errors import InputError, cli_command, count_text, counts_text, first_names
from utils.files import atomic_write, lock, remove_temporary, write_json
from utils.jobs import count_cores
from utils.progress import bar

FLUSH_SECONDS = 30
MOST_SECONDS = 1e6


def extract(collection: Collection, work: Work, engine: partial) -> None:
    """Look at every video that is new or changed, and keep what is found, with a line of how long what took."""
    tasks = [
        Task(video, path, missing)
        for video, path in bar(collection.files.items(), "looking what is there")
        if (missing := collection.missing(video))
    ]
    there = len(collection.files) - len(tasks)
    if collection.passed_over:
        number, kinds = collection.passed_over.total(), counts_text(collection.passed_over)
        print(f"{count_text(number, 'file')} passed over, plainly no videos: {kinds}")
    print(f"{count_text(len(collection.files), 'video')}, {there} of them done before", flush=True)
    seconds: Counter = Counter()
    started = written = time.monotonic()
    shown = bar(None, "videos", total=len(tasks), unit="video", smoothing=0.05)
    outcomes = engine(work, tasks)
    try:
        for number, outcome in enumerate(outcomes, 1):
            _take(collection, outcome)
            seconds.update(outcome.seconds)
            shown.set_postfix_str(f"{len(collection.failures)} failed", refresh=False)
            shown.update()
            if time.monotonic() - written > FLUSH_SECONDS:
                collection.write_failures()
                written = time.monotonic()
                if not sys.stdout.isatty():
                    left = (written - started) / number * (len(tasks) - number)
                    time_left, all_videos = humanize.precisedelta(left, format="%.0f"), count_text(len(tasks), "video")
                    print(f"{number} of {all_videos}, {time_left} left", flush=True)
    finally:
        outcomes.close()
        shown.close()
        collection.write_failures()
    if tasks:
        took = time.monotonic() - started
        shares = ", ".join(f"{part} {x / len(tasks):.3f}" for part, x in seconds.most_common())
        print(
            f"{count_text(len(tasks), 'video')} in {took:.0f} s, {len(tasks) / took:.2f} a second; "
            f"seconds of a process a video: {shares}"
        )


def _take(collection: Collection, outcome: Outcome) -> None:
    """Keep what came of a video."""
    task = outcome.task
    if outcome.failure is None:
        try:
            collection.shards.keep(outcome, collection.settings)
        except FileNotFoundError:
            if task.path.exists():
                raise
            collection.fail(task.id, task.path, "it has vanished")
    else:
        collection.fail(task.id, task.path, outcome.failure)


def parts_of(collection: Collection, args: argparse.Namespace, done: Sequence[str]) -> tuple[dict, dict]:
    """The captions of videos that are done, and which of them are for training, validation and test."""
    if args.captions is None:
        return {}, {}
    known, unknown = captions.read_captions(args.captions, collection.files, collection.names)
    found = {video: known[video] for video in done if video in known}
    if failed := [video for video in known if video not in found]:
        number = count_text(len(failed), "video")
        print(f"{args.captions}: captions of {number} that cannot be used are left out: {first_names(failed)}")
    if unknown:
        number = count_text(len(unknown), "name")
        print(f"{args.captions}: captions of {number} without a video are left out: {first_names(unknown)}")
    if not found:
        raise InputError(f"{args.captions}: no caption of a video that was extracted, expected names such as '{done[0]}'")
    if without := [video for video in done if video not in found]:
        count, names = count_text(len(without), "video"), first_names(without)
        print(f"{args.captions}: {count} without a caption can be searched, not trained on: {names}")
    if args.splits:
        parts, left_out = captions.given_splits(args.splits, found, collection.names)
        if left_out:
            reason = "not extracted, or without a caption"
            print(f"{args.splits}: left out: {count_text(len(left_out), 'video')}, {reason}: {first_names(left_out)}")
    else:
        parts = captions.made_splits(list(found), captions.split_shares(args.split), args.seed)
    return found, parts


def refuse_captions(collection: Collection, args: argparse.Namespace) -> None:
    """Refuse captions and splits of none of the videos.

    Raises:
        InputError: they are so, or cannot be read.
    """
    known, unknown = captions.read_captions(args.captions, collection.files, collection.names)
    if not known and unknown:
        expected = f"expected names such as '{next(iter(collection.files))}'"
        raise InputError(
            f"{args.captions}: none of {count_text(len(unknown), 'name')} is a video, first {unknown[0]!r}, {expected}"
        )
    if not known:
        raise InputError(f"{args.captions}: no caption that has words, expected some")
    if args.splits:
        captions.given_splits(args.splits, known, collection.names)


def write_archive(collection: Collection, about: dict[str, dict], encoder: TextEncoder, args: argparse.Namespace) -> None:
    """Write what training and search read."""
    settings, folder = collection.settings, collection.archive
    done = [video for video in collection.files if collection.missing(video) == ()]
    collection.write_failures()
    if not done:
        first = next(iter(collection.failures.values()))
        raise InputError(
            f"{args.videos}: none of {count_text(len(collection.failures), 'file')} can be used, "
            f"first {first['file']}: {first['reason']}"
        )
    texts, parts = parts_of(collection, args, done)
    folder.mkdir(parents=True, exist_ok=True)
    counts, warnings = archive.write_experts(folder, done, collection.shards, list(settings.experts))
    if texts:
        archive.write_captions(folder, texts, encoder)
    elif kept := archive.kept_lists(folder, set(done)):
        parts = kept
        print(f"{folder}: captions and lists of before are kept; --captions writes them anew")
    archive.write_lists(folder, done, parts)
    before = archive.read_json(collection.folder / EXTRACTION).get("experts", {})
    archive.remove_experts(folder, [name for name in before if name not in settings.experts])
    link_videos(args.videos, collection.folder / "videos")
    text = {"encoder": encoder.spec, "feat": encoder.feat, "dim": encoder.dim}
    experts = {name: about[name] | {"kind": "sequence"} for name in settings.experts}
    content = {"name": collection.name, "videos": len(done), "text": text, "settings": settings.model_dump()}
    write_json(collection.folder / EXTRACTION, content | {"experts": experts})
    available = ", ".join(f"{name} {count}" for name, count in counts.items())
    print(f"{folder}: {count_text(len(done), 'video')}; with {available}")
    write_json(collection.folder / WARNINGS, warnings)
    if warnings:
        first = next(iter(warnings))
        print(
            f"{collection.folder / WARNINGS}: {count_text(len(warnings), 'video')} used without a damaged part, "
            f"first {first!r}: {warnings[first][0]}"
        )
    if failures := list(collection.failures):
        path, names = collection.folder / FAILURES, first_names(failures)
        print(f"{path}: {count_text(len(failures), 'file')} cannot be used, with the reason of each: {names}")
    if texts:
        used = {name: experts[name] for name, count in counts.items() if count}
        write_config(collection, archive.training_config(collection.name, collection.folder, text, used, parts), parts)


def write_config(collection: Collection, config: dict, parts: dict[str, list[str]]) -> None:
    """Write the training config, unless there is another or too few videos, and say how to go on."""
    number = sum(map(len, parts.values()))
    sizes = ", ".join(f"{len(videos)} {part}" for part, videos in parts.items())
    print(f"{count_text(number, 'video')} with captions: {sizes}")
    if len(parts["train"]) < 2 or not parts["val"] or not parts["test"]:
        print("too few for a training, which wants two videos to train on, one to validate and one to test")
        return
    path = Path("configs") / collection.name / "train-full-ce.json"
    if path.exists() and archive.read_json(path) != config:
        hint = "delete it to have it made anew" if is_made(path) else "choose another --name to have a config made"
        print(f"{path} is there already, differs from the config of these videos and is not changed; {hint}")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, config)
    ignore_own_config(path)
    print(f"next: python train.py --config {path}")


def ignore_own_config(path: Path) -> None:
    """Keep git from listing a config that an extraction has written, unless others are beside it."""
    ignored = path.with_name(".gitignore")
    if not ignored.exists() and list(path.parent.iterdir()) == [path]:  # not beside configs of the project
        with atomic_write(ignored) as file:
            file.write(f"/.gitignore\n/{path.name}\n".encode())


def is_made(path: Path) -> bool:
    """Return whether an extraction has written a config, not the project or a person."""
    ignored = path.with_name(".gitignore")
    return ignored.exists() and f"/{path.name}" in ignored.read_text(errors="replace").splitlines()


def link_videos(videos: Path, link: Path) -> None:
    """Make `link` lead to the folder of videos, for the ranking page and the search page."""
    target = videos.resolve()  # it may be this very link
    if link.is_symlink() or not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(target, target_is_directory=True)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other extractions out of a folder.

    Raises:
        InputError: there is one.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(descriptor, f"{folder}: another extraction writes there")
        yield
    finally:
        os.close(descriptor)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--videos", type=Path, required=True, help="the folder of video files, with its sub-folders")
    parser.add_argument("--name", required=True, help="what the collection is called: letters, digits, _ and -")
    parser.add_argument(
        "--captions", type=Path, help="captions of the videos: .csv with columns video and caption, .json, .jsonl"
    )
    parser.add_argument("--split", default="80/10/10", help="shares of train, val and test (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the split (default: %(default)s)")
    parser.add_argument("--splits", type=Path, help="a folder with train_list.txt, val_list.txt and test_list.txt instead")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="the config of the extraction (default: %(default)s)")
    parser.add_argument("--experts", metavar="NAME,...", help="some of the config's experts (default: all)")
    parser.add_argument("--data_dir", type=Path, help="where to write (default: data/<Name>)")
    parser.add_argument("--workers", type=int, default=count_cores(), help="processes (default: one a core, %(default)s)")
    parser.add_argument("--device", type=int, help="GPU for networks, such as 0 (default: the CPU)")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for a video, at most (default: %(default)s)")
    parser.add_argument(
        "--engine", choices=sorted(ENGINES), default="local", help="what runs the processes (default: %(default)s)"
    )
    parser.add_argument("--address", help="with --engine ray: that of a cluster (default: this machine)")
    args = parser.parse_args()
    if not re.fullmatch(r"[\w-]+", args.name) or args.name.lower() in map(str.lower, LAYOUTS):
        raise InputError(f"--name {args.name}: expected letters, digits, _ and -, and no published data set")
    if args.workers < 1 or not 0 < args.timeout <= MOST_SECONDS:
        raise InputError(f"--workers {args.workers}, --timeout {args.timeout}: expected numbers above 0")
    if args.address and args.engine != "ray":
        raise InputError("--address: expected --engine ray beside it")
    if not args.videos.is_dir():
        raise InputError(f"{args.videos}: no such folder, expected one with video files")
    if args.captions is None and args.splits:
        raise InputError("--splits: expected --captions beside it")
    captions.split_shares(args.split)
    args.data_dir = args.data_dir or Path("data") / args.name
    if args.data_dir.resolve().is_relative_to(args.videos.resolve()):
        raise InputError(f"--data_dir {args.data_dir}: in the folder of videos, expected another place")
    return args


@cli_command
def main() -> None:
    """Extract, and write the archive."""
    args = parse_arguments()
    settings = read_settings(args.config, args.experts)
    device = str(select_device(args.device))
    exclude = [path for path in (args.captions, args.splits, args.config) if path]
    collection = Collection(args.name, args.data_dir, args.videos, settings, exclude)
    if args.captions:
        refuse_captions(collection, args)  # before hours of work
    encoder = text_encoder(settings.text, device)
    work = Work(settings.model_dump_json(), device, max(1, count_cores() // args.workers))
    about = work.about(list(settings.experts))
    engine = partial(in_processes, workers=args.workers, timeout=args.timeout)
    if args.engine == "ray":
        engine = partial(on_ray, workers=args.workers, timeout=args.timeout, address=args.address)
    args.data_dir.mkdir(parents=True, exist_ok=True)
    with held(args.data_dir):
        for folder in (collection.shards.folder, collection.archive):
            remove_temporary(folder)
        try:
            extract(collection, work, engine)
        except KeyboardInterrupt:
            print("interrupted: the same command goes on with the videos that are left")
            raise
        write_archive(collection, about, encoder, args)


if __name__ == "__main__":
    main()
