"""The full-text index of the words of a collection, in SQLite's FTS5."""

import contextlib
import json
import logging
import sqlite3
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from misc.searching.channels.tokens import Term, split_name, split_words
from misc.searching.collection import Collection
from misc.searching.cut_collection import CutCollection
from misc.searching.windows import item_id, split_item
from utils.errors import InputError, count_text, one_line
from utils.files import atomic_write

FILE = "words.db"
BEGIN, END = "\x02", "\x03"  # around words that match; no word contains them
VERSION = 6
TABLES = ("words", "films")
CAPTIONS, NAME = "captions", "name"  # fields beside those of experts
TOKENIZER = "unicode61 remove_diacritics 2 categories 'L* N* Co M*'"

logger = logging.getLogger(__name__)


class FilmPart(NamedTuple):
    """A part of a long video around a phrase."""

    video: int  # number of the video
    item: str
    fields: list[str]  # with marks around the words of phrases


class WordsIndex:
    """The words of the videos of a collection, and of the windows of long ones, in the file `path`.

    It is written again if the collection has changed. Without `path`, or if it cannot be written, it is in memory. Tables:
    `words` (FTS5, a column f<i> per field), `items` (number, number of the video, id), and `vocabulary` (term, doc). The
    table `films` is like `words`, with all recognized words of each long video, for phrases that are in none of its windows.

    Args:
        items: the collection, cut into windows.
        fields: names of experts that recognize words, `CAPTIONS` and `NAME`.

    Raises:
        InputError: SQLite lacks FTS5.
    """

    def __init__(self, collection: Collection, items: CutCollection, fields: Sequence[str], path: Path | None):
        self._collection, self._items, self.fields, self._path = collection, items, fields, path
        cut = None if items.windows is None else items.windows.model_dump()
        self._key = json.dumps([VERSION, fields, cut, collection.text_digest()])
        self._connection = self._open() or self._build()

    def execute(self, query: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a query."""
        return self._connection.execute(query, parameters)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def rebuild(self, error: sqlite3.DatabaseError) -> None:
        """Write a damaged file again; raise the error if the index is in memory."""
        if self._path is None:
            raise error
        logger.warning("%s: damaged (%s): it is made again", self._path, one_line(str(error)))
        self.close()
        self._connection = self._build()

    def find_items(self, table: str, terms: Iterable[Term]) -> Iterator[tuple[int, int, str]]:
        """Yield number, number of the video, and id of each item of a table that has some of the terms."""
        query = f"SELECT number, video, id FROM {table} JOIN items ON number = {table}.rowid WHERE {table} MATCH ?"
        for number, video, item in self.execute(query, (to_expression(terms),)):
            yield number, video, decode_id(item)

    def find_split_phrases(self, phrases: Sequence[Term]) -> dict[int, FilmPart]:
        """Return, by numbers of items, the part around the first phrase of each film that has none of them in a window."""
        if not phrases:
            return {}
        whole = {video for _, video, _ in self.find_items("words", phrases)}
        films = [row for row in self.find_items("films", phrases) if row[1] not in whole]
        fields = self.mark("films", phrases, [number for number, _, _ in films])
        return {number: FilmPart(video, *self._cut_out(film, fields[number])) for number, video, film in films}

    def _cut_out(self, film: str, fields: Sequence[str]) -> tuple[str, list[str]]:
        """Return the part of a film around the first phrase that is marked, as long as a window, and its fields."""
        video, (_, length) = split_item(film)
        name, lines = next((name, x.split("\n")) for name, x in zip(self.fields, fields, strict=True) if BEGIN in x)
        first = next(i for i, line in enumerate(lines) if BEGIN in line)
        last = next(i for i, line in enumerate(lines) if END in line)
        times = self._items.get_word_times(film)[name][first : last + 1]
        start, end = times[0][0], min(length, max(end for _, end in times))
        margin = max(0.0, self._items.windows.window - (end - start)) / 2
        part = item_id(video, (max(0.0, round(start - margin, 2)), min(length, round(end + margin, 2))))
        numbers = self._items.get_word_numbers(part)
        return part, [
            "\n".join(x.split("\n")[i] for i in numbers.get(name, ())) for name, x in zip(self.fields, fields, strict=True)
        ]

    def mark(self, table: str, terms: Iterable[Term], numbers: Sequence[int]) -> dict[int, list[str]]:
        """Return the fields of items of a table, in which the words of terms that match are marked."""
        marked = ", ".join(f"highlight({table}, {i}, '{BEGIN}', '{END}')" for i in range(len(self.fields)))
        query = f"SELECT rowid, {marked} FROM {table} WHERE {table} MATCH ? AND rowid IN (SELECT value FROM json_each(?))"
        rows = self.execute(query, (to_expression(terms), json.dumps(numbers)))
        return {number: fields for number, *fields in rows}

    def _open(self) -> sqlite3.Connection | None:
        """Open the file; None if there is none, or it is damaged or outdated."""
        if self._path is None or not self._path.is_file():
            return None
        connection = _connect(f"file:{urllib.parse.quote(str(self._path))}?mode=ro&immutable=1")
        try:
            if connection.execute("SELECT key FROM state").fetchall() == [(self._key,)]:
                return connection
        except sqlite3.DatabaseError as error:
            logger.warning("%s: damaged (%s): it is made again", self._path, one_line(str(error)))
        connection.close()
        return None

    def _build(self) -> sqlite3.Connection:
        """Write the file and open it, or an index in memory if there is no file or it cannot be written."""
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with (
                    atomic_write(self._path) as file,
                    contextlib.closing(_connect(f"file:{urllib.parse.quote(file.name)}")) as x,
                ):
                    self._fill(x)
            except OSError as error:
                logger.warning("%s: %s: the words are indexed in memory", self._path, error.strerror or error)
                self._path = None
            else:
                logger.info("%s: words of %s", self._path, count_text(len(self._collection.ids), "video"))
                self._items.warn_of_missing_moments()
                if (opened := self._open()) is not None:
                    return opened
                raise InputError(f"{self._path}: another process has changed it, repeat the command")
        connection = _connect("file::memory:")
        self._fill(connection)
        return connection

    def _fill(self, connection: sqlite3.Connection) -> None:
        """Write all words and, at last, the state of the collection."""
        columns = ", ".join(f"f{i}" for i in range(len(self.fields)))
        places = ", ".join("?" * (len(self.fields) + 1))
        try:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            for table in TABLES:
                connection.execute(f'CREATE VIRTUAL TABLE {table} USING fts5({columns}, tokenize="{TOKENIZER}")')
        except sqlite3.OperationalError as error:
            raise InputError(f"SQLite {sqlite3.sqlite_version}: {error}, expected one with FTS5") from None
        connection.execute("CREATE VIRTUAL TABLE vocabulary USING fts5vocab(words, row)")
        connection.execute("CREATE TABLE items (number INTEGER PRIMARY KEY, video INTEGER, id BLOB)")
        connection.execute("CREATE TABLE state (key TEXT)")
        number = 0  # those of films follow
        for table, read in zip(TABLES, (self._read_items, self._read_film), strict=True):
            for video_number, video in enumerate(self._collection.ids):
                for item, texts in read(video):
                    connection.execute("INSERT INTO items VALUES (?, ?, ?)", (number, video_number, encode_id(item)))
                    connection.execute(f"INSERT INTO {table} (rowid, {columns}) VALUES ({places})", (number, *texts))
                    number += 1
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
        connection.execute("INSERT INTO state VALUES (?)", (self._key,))
        connection.commit()

    def _read_items(self, video: str) -> Iterator[tuple[str, list[str]]]:
        """Yield each item of a video with its fields, whose text has one line per recognized word or caption."""
        lines = {NAME: [" ".join(split_name(video))]}
        if CAPTIONS in self.fields:
            lines[CAPTIONS] = self._collection.get_captions(video)
        spans = self._items.spans(video)
        yield video, self._to_fields(lines if spans else {**self._collection.get_words(video), **lines})
        for item in (item_id(video, span) for span in spans):
            if any(fields := self._to_fields(self._items.get_words(item))):
                yield item, fields

    def _read_film(self, video: str) -> Iterator[tuple[str, list[str]]]:
        """Yield a window that contains all of a long video, with its fields."""
        if spans := self._items.spans(video):
            item = item_id(video, (spans[0][0], spans[-1][1]))
            if any(fields := self._to_fields(self._items.get_words(item))):
                yield item, fields

    def _to_fields(self, lines: Mapping[str, Sequence[str]]) -> list[str]:
        return ["\n".join(" ".join(split_words(line)) for line in lines.get(field, [])) for field in self.fields]


def to_expression(terms: Iterable[Term]) -> str:
    """Return a query of FTS5 for items with any of some terms."""
    return " OR ".join(term.expression for term in terms)


def _connect(address: str) -> sqlite3.Connection:
    return sqlite3.connect(address, uri=True, check_same_thread=False)  # a server uses it in one thread at a time


def encode_id(video: str) -> bytes:
    """Return an id as bytes: the names of files may have unpaired surrogates, which SQLite refuses in texts."""
    return video.encode("utf-8", "surrogatepass")


def decode_id(content: bytes) -> str:
    """Return the id of an item from the table `items`."""
    return content.decode("utf-8", "surrogatepass")
