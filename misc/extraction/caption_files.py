"""Captions of videos from CSV, JSON or JSONL, and their splits."""

import csv
import hashlib
import io
import json
import re
import reprlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.errors import InputError
from utils.names import match_name

MAX_BYTES = 4 << 30
VIDEO_KEYS = ("video", "video_id", "id", "file", "filename", "name", "clip")
CAPTION_KEYS = ("caption", "captions", "text", "sentence", "sentences", "description")
DELIMITERS = ",;\t"  # of CSV, whose first line decides; spreadsheets write semicolons where the comma is a decimal sign
SPLITS = ("train", "val", "test")


def read_captions(
    path: Path, ids: Iterable[str], files: Mapping[str, str] | None = None
) -> tuple[dict[str, list[str]], list[str]]:
    """Return the captions of videos, in the order of the file, and names in it that are not in `ids`.

    A name is looked up as a file name, as an id, and as an id with any suffix, in this order. CSV has a row per caption,
    JSONL an object per line, with the keys "video" and "caption" (or others of `VIDEO_KEYS`, `CAPTION_KEYS`); JSON is a list
    of such objects, or maps a video to its captions. A caption without words is kept as "", so that the positions of the
    others do not change. Videos without any other caption are left out. `files` has the id of each file name.
    """
    known = set(ids)
    captions: dict[str, list[str]] = {}
    unknown: dict[str, None] = {}
    for where, name, caption in _read_rows(path):
        if not isinstance(name, str) or not isinstance(caption, str):
            found = f"{reprlib.repr(name)} and {reprlib.repr(caption)}"
            raise InputError(f"{path}: {where}: found {found}, expected a video and its caption as text")
        if (video := _find_id(name, known, files or {})) is None:
            unknown[name] = None
        else:
            text = caption.encode(errors="replace").decode()  # JSON may contain unpaired surrogates
            captions.setdefault(video, []).append(" ".join(text.split()))
    return {video: texts for video, texts in captions.items() if any(texts)}, list(unknown)


def _find_id(name: str, known: Container[str], files: Mapping[str, str]) -> str | None:
    """Return the id for a name, which may begin with "./"; None if it is unknown."""
    plain = name.removeprefix("./")
    if (file := match_name(plain, files)) in files:  # before the ids: the id of `red.mp4.xyz` is `red.mp4`
        return files[file]
    names = (match_name(x, known) for x in (plain, re.sub(r"(?<=[^/])\.[^./]*$", "", plain)))
    return next((x for x in names if x in known), None)


def _read_rows(path: Path) -> Iterator[tuple[str, Any, Any]]:
    """Yield position, video and caption of each row of a file."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: a folder, expected a file of captions")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: more than {MAX_BYTES} bytes, expected captions")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: not found, expected captions") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason})") from None
    match path.suffix.lower():
        case ".csv":
            yield from _read_csv(path, text)
        case ".jsonl":
            for number, line in enumerate(text.split("\n"), 1):
                if line.strip():
                    yield from _read_object(path, f"line {number}", _parse_json(path, f"line {number}", line))
        case ".json":
            content = _parse_json(path, "file", text)
            if isinstance(content, dict):
                for name, captions in content.items():
                    for caption in captions if isinstance(captions, list) else [captions]:
                        yield reprlib.repr(name), name, caption
            elif isinstance(content, list):
                for number, entry in enumerate(content, 1):
                    yield from _read_object(path, f"entry {number}", entry)
            else:
                raise InputError(f"{path}: found a {type(content).__name__}, expected a list or a map of captions")
        case _:
            raise InputError(f"{path}: unknown kind of file, expected .csv, .json or .jsonl")


def _read_csv(path: Path, text: str) -> Iterator[tuple[str, Any, Any]]:
    line = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=line.count)  # of equally frequent ones, the first
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        columns = [next((i for i, cell in enumerate(header) if cell in keys), None) for keys in (VIDEO_KEYS, CAPTION_KEYS)]
        if None in columns:
            expected = f"a column '{VIDEO_KEYS[0]}' and a column '{CAPTION_KEYS[0]}'"
            raise InputError(f"{path}: line 1: found the columns {', '.join(header) or 'none'}, expected {expected}")
        for row in reader:
            if row:
                if len(row) != len(header):
                    raise InputError(f"{path}: line {reader.line_num}: {len(row)} cells, expected {len(header)}")
                yield f"line {reader.line_num}", row[columns[0]].strip(), row[columns[1]]
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: {error}, expected CSV") from None


def _parse_json(path: Path, where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {where}: {error}, expected JSON") from None


def _read_object(path: Path, where: str, entry: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield a row per caption of an object with a video and its captions."""
    keys = [next((k for k in keys if isinstance(entry, dict) and k in entry), None) for keys in (VIDEO_KEYS, CAPTION_KEYS)]
    if None in keys:
        raise InputError(f"{path}: {where}: expected an object with '{VIDEO_KEYS[0]}' and '{CAPTION_KEYS[0]}'")
    captions = entry[keys[1]]
    for caption in captions if isinstance(captions, list) else [captions]:
        yield where, entry[keys[0]], caption


def parse_split_shares(text: str) -> tuple[float, ...]:
    """Return the shares of train, val and test in a text such as "80/10/10"."""
    if not re.fullmatch(r"\d{1,3}/\d{1,3}/\d{1,3}", text) or not sum(shares := [int(x) for x in text.split("/")]):
        raise InputError(f"--split {text}: expected the shares of train, val and test, such as 80/10/10")
    return tuple(share / sum(shares) for share in shares)


def make_splits(ids: Sequence[str], shares: Sequence[float], seed: int) -> dict[str, list[str]]:
    """Return random splits of the given shares, each with at least one video if there are three or more.

    If videos are added, most of the other videos stay in their split.
    """
    order = sorted(ids, key=lambda video: hashlib.sha256(f"{seed}/{video}".encode("utf-8", "surrogateescape")).digest())
    sizes = [round(share * len(order)) for share in shares[1:]]
    sizes = [max(size, int(share > 0 and len(order) > 2)) for size, share in zip(sizes, shares[1:], strict=True)]
    first = max(0, len(order) - sum(sizes))
    bounds = (0, first, first + sizes[0], len(order))
    return {split: sorted(order[bounds[i] : bounds[i + 1]]) for i, split in enumerate(SPLITS)}


def read_splits(
    folder: Path, captions: Mapping[str, Any], files: Mapping[str, str] | None = None
) -> tuple[dict[str, list[str]], list[str]]:
    """Return the splits that lists in a folder define, and names without a video or a caption.

    Names are looked up as those of captions are.
    """
    from data_loader.readers import read_video_list  # with libraries for all formats

    files = files or {}
    known = {*captions, *files.values()}
    splits, left_out = {}, []
    for split in SPLITS:
        listed = read_video_list(folder / f"{split}_list.txt", lambda name: _find_id(name, known, files) or name)
        splits[split] = [video for video in listed if video in captions]
        left_out += [video for video in listed if video not in captions]
        for other in SPLITS[: SPLITS.index(split)]:
            if both := sorted(set(splits[split]) & set(splits[other])):
                raise InputError(f"{folder / f'{split}_list.txt'}: '{both[0]}' is in {other}_list.txt, too")
    if not any(splits.values()):
        expected = f"expected names such as '{next(iter(captions), '')}'"
        raise InputError(f"{folder}: none of {len(left_out)} names is a video with captions, {expected}")
    return splits, left_out
