"""Filters of a search: conditions on the folder, the file name, the length, the date and the experts of videos.

A condition is a key, an operator and a value, such as `folder=birds`, `name=*red*`, `length<30`, `date>=2024-05` or
`has=speech`. All conditions have to hold.
"""

import datetime
import fnmatch
import json
import logging
import operator
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import av
import pydantic

from misc.searching.collection import Collection
from misc.searching.index.metadata import read_json
from misc.video_reading.formats import FORMATS
from utils.errors import InputError, count_text
from utils.files import write_bytes
from utils.names import normalize_name
from utils.visualizer.videos import strip_suffix

FILE = "files.json"
CONDITION = re.compile(r"(folder|name|length|date|has)\s*(<=|>=|!=|=|<|>)\s*(.+)", re.DOTALL)
EXPECTED = "expected such as folder=birds, name=*red*, length<30, date>=2024-05 or has=speech"
TESTS: dict[str, Callable] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")

logger = logging.getLogger(__name__)


class Condition(NamedTuple):
    """A condition on videos."""

    key: str  # "folder", "name", "length", "date" or "has"
    operator: str  # a key of `TESTS`
    value: str


class FileFacts(NamedTuple):
    """The length of a file in seconds (None: unknown) and its date, YYYY-MM-DD."""

    state: list[int]  # size and modification time
    length: float | None
    date: str


def parse_conditions(texts: Iterable[str]) -> list[Condition]:
    """Return the conditions in some texts, each with one or several, separated by spaces; quotes hold spaces together.

    Raises:
        InputError: an empty text or an invalid condition.
    """
    conditions = []
    for text in texts:
        try:
            parts = shlex.split(text)
        except ValueError as error:
            raise InputError(f"--where {text}: {error}, {EXPECTED}") from None
        for part in parts or [""]:
            if not part.strip():
                raise InputError(f"--where: empty, {EXPECTED}")
            if (match := CONDITION.fullmatch(part)) is None:
                raise InputError(f"--where {part}: {EXPECTED}")
            condition = Condition(*match.groups())
            if condition.operator not in ("=", "!=") and condition.key in ("folder", "name", "has"):
                raise InputError(f"--where {part}: '{condition.operator}', expected = or != with {condition.key}")
            if condition.key == "length":
                _parse_length(condition)
            if condition.key == "date":
                _parse_date(condition)
            conditions.append(condition)
    return conditions


def select_videos(collection: Collection, conditions: Sequence[Condition], path: Path | None = None) -> frozenset[str]:
    """Return the ids of the videos for which all conditions hold.

    Args:
        path: the file in which lengths and dates of files are kept (None: they are read each time).

    Raises:
        InputError: an expert that the collection does not have.
    """
    ids = collection.ids
    facts = {}
    if any(condition.key in ("length", "date") for condition in conditions):
        facts = read_facts(collection, path)
    for condition in conditions:
        holds = _make_test(collection, condition, facts)
        ids = [video for video in ids if holds(video)]
    return frozenset(ids)


def _make_test(collection: Collection, condition: Condition, facts: dict[str, FileFacts]) -> Callable[[str], bool]:
    """Return a function that says whether a condition holds for a video; a length or a date that is unknown never fits."""
    test, is_positive = TESTS[condition.operator], condition.operator == "="
    if condition.key == "folder":
        folder = normalize_name(condition.value).strip("/") + "/"
        return lambda video: (folder == "/" or video.startswith(folder)) == is_positive
    if condition.key == "name":
        value = normalize_name(condition.value).casefold()
        patterns = {value, strip_suffix(value)}  # of a video of the same name with another suffix, the id has the suffix
        if len(patterns) == 1 and not re.search("[*?]", value):
            patterns = {f"*{value}*"}
        expression = re.compile("|".join(fnmatch.translate(x.replace("[", "[[]")) for x in patterns))
        return lambda video: (expression.match(video.rpartition("/")[2].casefold()) is not None) == is_positive
    if condition.key == "has":
        having = collection.videos_with(condition.value)
        return lambda video: (video in having) == is_positive
    if condition.key == "length":
        limit = _parse_length(condition)
        return lambda video: video in facts and facts[video].length is not None and test(facts[video].length, limit)
    length = len(first := _parse_date(condition))  # the date of a file is cut to the precision of the condition
    return lambda video: video in facts and test(facts[video].date[:length], first)


def _parse_length(condition: Condition) -> float:
    """Return the seconds of a condition on the length."""
    try:
        seconds = float(condition.value.strip().removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise InputError(f"--where length{condition.operator}{condition.value}: expected a number of seconds")
    return seconds


def _parse_date(condition: Condition) -> str:
    """Return the date of a condition as YYYY, YYYY-MM or YYYY-MM-DD."""
    match = DATE.fullmatch(condition.value.strip())
    try:
        numbers = [int(part) for part in match.groups() if part] if match else [0]
        datetime.date(*numbers, *[1] * (3 - len(numbers)))
    except ValueError:
        found = f"--where date{condition.operator}{condition.value}"
        raise InputError(f"{found}: expected a date such as 2024, 2024-05 or 2024-05-31") from None
    return "-".join([f"{numbers[0]:04}", *(f"{number:02}" for number in numbers[1:])])


def read_facts(collection: Collection, path: Path | None = None) -> dict[str, FileFacts]:
    """Return the facts of the videos with a file, read again from new and changed files only."""
    known = _read_known(path)
    facts = {}
    for video in collection.ids:
        if (file := collection.get_file(video)) is not None:
            try:
                status = file.stat()
                state = [status.st_size, status.st_mtime_ns]
                found = known.get(video)
                facts[video] = found if found is not None and found.state == state else _read_file(file, state)
            except OSError:
                continue
    if path is not None and facts != known:
        content = {video: list(about) for video, about in facts.items()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, json.dumps(content).encode())
        except OSError as error:
            logger.warning("%s: %s: lengths and dates are read again each time", path, error.strerror or error)
        else:
            logger.info("%s: lengths and dates of %s", path, count_text(len(facts), "file"))
    return facts


def _read_file(file: Path, state: list[int]) -> FileFacts:
    """Return the facts of a file: the date is that of its recording if it says so, else that of its last change."""
    length, date = None, datetime.datetime.fromtimestamp(state[1] / 1e9)  # noqa: DTZ006 (local time)
    try:
        options = {"format_whitelist": ",".join(FORMATS)}
        with av.open(str(file.absolute()), options=options, metadata_errors="replace") as container:
            length = None if container.duration is None else container.duration / av.time_base
            if (text := container.metadata.get("creation_time")) is not None:
                date = datetime.datetime.fromisoformat(text).astimezone()
    except (av.FFmpegError, ValueError, OverflowError):
        pass
    return FileFacts(state, length, date.date().isoformat())


def _read_known(path: Path | None) -> dict[str, FileFacts]:
    """Return the facts in a file; none without a valid file."""
    if path is None or not path.is_file():
        return {}
    try:
        return pydantic.TypeAdapter(dict[str, FileFacts]).validate_python(read_json(path))
    except (InputError, pydantic.ValidationError):
        logger.warning("%s: damaged: it is made again", path)
        return {}
