"""Files in the formats of trec_eval: relevance judgments (qrels) and rankings (runs).

A line of qrels is `query 0 item grade`, a line of a run `query Q0 item rank score tag`. In files written here, white space
and `%` in ids are percent-encoded as in URLs (`my clip.mp4#0` -> `my%20clip.mp4#0`); ids are decoded when they are read.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from utils.errors import InputError
from utils.files import atomic_write

Qrels = dict[str, dict[str, int]]  # query -> item -> grade


def encode_id(name: str) -> str:
    """Return an id without white space, `%` and control characters."""
    return re.sub(r"[\s%\x00-\x1f\x7f-\x9f]", lambda match: quote(match[0], safe=""), name)


def read_qrels(path: Path) -> Qrels:
    """Read relevance judgments, the items of each query in the order of the file.

    Raises:
        InputError: an invalid line, a pair with two grades, or no line at all.
    """
    qrels: Qrels = {}
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}), expected qrels") from None
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if not (fields := line.split()):
            continue
        if len(fields) != 4 or not re.fullmatch(r"[+-]?\d{1,9}", fields[3], re.ASCII):
            raise InputError(f"{path}, line {number}: found '{line.strip()[:80]}', expected 'query 0 item grade'")
        query, item, grade = unquote(fields[0]), unquote(fields[2]), int(fields[3])
        if qrels.setdefault(query, {}).setdefault(item, grade) != grade:
            raise InputError(f"{path}, line {number}: '{query}' and '{item}' have grade {grade}, and another one before")
    if not qrels:
        raise InputError(f"{path}: empty, expected lines 'query 0 item grade'")
    return qrels


def write_qrels(path: Path, qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Write relevance judgments atomically."""
    with atomic_write(path) as file:
        for query, grades in qrels.items():
            lines = (f"{encode_id(query)} 0 {encode_id(item)} {grade}\n" for item, grade in grades.items())
            file.write("".join(lines).encode())


def write_run(path: Path, rankings: Iterable[tuple[str, Sequence[tuple[str, float]]]], tag: str) -> None:
    """Write rankings atomically: of each query, its items with their scores, the best first."""
    tag = encode_id(tag)
    with atomic_write(path) as file:
        for query, ranking in rankings:
            name = encode_id(query)
            lines = (f"{name} Q0 {encode_id(x)} {i} {score:.9g} {tag}\n" for i, (x, score) in enumerate(ranking, 1))
            file.write("".join(lines).encode())
