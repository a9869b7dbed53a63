"""The clips and captions of Stamps2, made of a package of stamps."""

import argparse
import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_loader.readers import read_video_list
from misc.extraction.caption_files import SPLITS
from misc.stamps.clips import make_clips
from misc.stamps.families import SIZES, group_twins, split_stamps
from misc.stamps.items import Stamp, find_stamps
from misc.stamps.package import NAME, Package, read_package
from misc.stamps.pictures import draw_picture
from utils.errors import InputError, count_text, first_names, one_line
from utils.files import locked, write_bytes
from utils.optional_packages import require_package
from utils.progress import bar

ROOT = Path(__file__).resolve().parents[2]
EXTRACTION_CONFIG = ROOT / "misc/extractors/stamps2.json"
LIST_NAMES = [*(f"{split}_list.txt" for split in SPLITS), "twins.txt"]
SHOWN = 20  # warnings


def select_listed(stamps: Mapping[str, Stamp], lists: Path) -> dict[str, Stamp]:
    """Return the stamps in the lists of the splits, in their order; print how many of either are not in the other."""
    listed = [name for split in SPLITS for name in read_video_list(lists / f"{split}_list.txt", str)]
    if unlisted := sorted(stamps.keys() - set(listed)):
        print(f"{lists}: {count_text(len(unlisted), 'stamp')} in none of its lists, left out: {first_names(unlisted)}")
    if absent := [name for name in listed if name not in stamps]:
        print(f"{lists}: {count_text(len(absent), 'stamp')} in its lists, but not in the package: {first_names(absent)}")
    chosen = {name: stamps[name] for name in listed if name in stamps}
    if not chosen:
        raise InputError(f"{lists}: none of its {len(listed)} stamps is in the package, expected some")
    return chosen


def write_lists(stamps: Mapping[str, Stamp], package: Package, lists: Path) -> None:
    """Write lists of splits by the rule of `split_stamps` and the groups of twins, without stamps that cannot be drawn.

    Raises:
        InputError: there are lists in the folder, or too few stamps.
    """
    if found := [path for path in lists.glob("*.txt") if path.name in LIST_NAMES]:
        raise InputError(f"--new_splits {lists}: {found[0].name} is there, expected a folder without lists")
    drawn = {}
    for name, stamp in bar(stamps.items(), "pictures"):
        try:
            drawn[name] = draw_picture(stamp.picture, package.files[stamp.picture])
        except ValueError as error:
            print(f"warning: {stamp.picture}: left out, {error}")
    known = {name: stamps[name] for name in drawn}
    twins = group_twins(known, drawn)
    splits = split_stamps(known, twins)
    if empty := [split for split in SPLITS if not splits[split]]:
        single = count_text(len(known.keys() - twins.keys()), "stamp")
        raise InputError(
            f"--new_splits: {single} without a twin, too few for {empty[0]}, expected {sum(SIZES.values()) + 1}"
        )
    lists.mkdir(parents=True, exist_ok=True)
    for split, names in splits.items():
        write_bytes(lists / f"{split}_list.txt", "".join(f"{name}\n" for name in names).encode())
    write_bytes(lists / "twins.txt", "".join(f"{name} {group}\n" for name, group in sorted(twins.items())).encode())
    print(f"{lists}: {', '.join(f'{len(splits[split])} {split}' for split in SPLITS)}")


def print_source(package: Package, data_dir: Path) -> None:
    """Print source and license, and copy the license to the data."""
    print(f"source: {NAME}, {package.version or 'version not known'}")
    path = data_dir / "COPYRIGHT"
    if package.copyright is None:
        print(f"license: that of {NAME} is GPL-2 or later (Copyright 2002-2022 by Bill Kendrick); its file is not here")
        return
    write_bytes(path, package.copyright)
    lines = package.copyright.decode(errors="replace").splitlines()
    found = [next((x for x in lines if x.startswith(field)), f"{field} not found") for field in ("License:", "Copyright:")]
    print(f"{'; '.join(map(one_line, found))}; the whole text is in {path}")


def print_unused(package: Package, translations: Mapping[str, int]) -> None:
    """Print which languages are not used."""
    print(f"not used: the captions in {len(translations)} other languages ({', '.join(sorted(translations))})")
    sounds, languages = package.other_sounds.total(), ", ".join(sorted(package.other_sounds))
    print(f"not used: {count_text(sounds, 'spoken name')} in other languages ({languages})")


def print_warnings(warnings: Sequence[str]) -> None:
    """Print the first warnings, and how many there are besides."""
    for line in warnings[:SHOWN]:
        print(f"warning: {one_line(line)}")
    if len(warnings) > SHOWN:
        print(f"warning: {len(warnings) - SHOWN} more")


def make_dataset(package: Package, args: argparse.Namespace) -> None:
    """Write clips and captions, and print what is left out and the next command."""
    stamps, warnings, translations = find_stamps(package.files)
    if not stamps:
        raise InputError(f"{args.package}: no picture with a caption in it, expected the stamps of Tux Paint")
    print_source(package, args.data_dir)
    print_unused(package, translations)
    if args.new_splits:
        write_lists(stamps, package, args.new_splits)
    lists = args.new_splits or args.splits
    chosen = select_listed(stamps, lists)
    done, more = make_clips(chosen, package.files, args.data_dir, args.workers)
    print_warnings(warnings + more)
    if not done:
        raise InputError(f"{args.package}: none of {count_text(len(chosen), 'stamp')} can be used")
    table = io.StringIO(newline="")
    csv.writer(table).writerows([("video", "caption"), *((name, chosen[name].caption) for name in done)])
    write_bytes(args.data_dir / "captions.csv", table.getvalue().encode())
    with_sound = sum(bool(chosen[name].sounds) for name in done)
    print(f"{args.data_dir}: {count_text(len(done), 'clip')} with captions, {with_sound} of them with sound")
    paths = {"--videos": args.data_dir / "videos", "--captions": args.data_dir / "captions.csv", "--splits": lists}
    paths |= {"--config": EXTRACTION_CONFIG, "--data_dir": args.data_dir}
    options = [word for option, path in paths.items() for word in (option, _short(path))]
    print("next: " + shlex.join(["python", "misc/extract_experts.py", "--name", "stamps2", *options]))


def _short(path: Path) -> str:
    """Return a path relative to the working directory if it lies there."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def run(args: argparse.Namespace) -> None:
    """Make the clips that are not complete yet."""
    require_package("resvg_py")
    package = read_package(args.package)
    args.data_dir.mkdir(parents=True, exist_ok=True)
    with locked(args.data_dir, f"{args.data_dir}: another process writes there"):
        try:
            make_dataset(package, args)
        except KeyboardInterrupt:
            print("interrupted: the same command continues with the remaining clips")
            raise
