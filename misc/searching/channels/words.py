"""The channel of words: recognized speech and signs, captions, and the names of files, ranked by BM25 in SQLite's FTS5."""

import contextlib
import json
import math
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from misc.searching.channels.channel import ChannelHit, Evidence
from misc.searching.channels.spelling import find_similar_words
from misc.searching.channels.tokens import MAX_TERMS, STOP_WORDS, Term, count_terms, fold, parse_query
from misc.searching.channels.words_index import BEGIN, CAPTIONS, END, NAME, TABLES, WordsIndex, decode_id, to_expression
from misc.searching.collection import Collection
from misc.searching.cut_collection import CutCollection
from misc.searching.query_language import english_words
from misc.searching.windows import Windows, as_moments, video_of
from utils.errors import InputError, count_text

# BM25 counts a word in a field this many times. Names are often numbers or those of a camera.
FIELD_WEIGHTS = {"captions": 1.0, "name": 0.5}
RECOGNIZED_WEIGHT = 1.0  # of the words of each expert
FEW = 10  # hits: with fewer, similar words are searched, too
MIN_TYPO_LENGTH = 4  # letters of words that may have a typo
MIN_PART_LENGTH = 5  # letters of words that are found in longer ones
MAX_SIMILAR = 5  # words of the vocabulary per word of the query
SIMILAR_CONFIDENCE = 0.1  # of hits with similar words, beside those with the words of the query
MAX_EVIDENCE_WORDS = 8
MAX_NAMED_TERMS = 5  # of a short query, whose absent words are named: longer ones are sentences
MARKED = re.compile(f"{BEGIN}([^{END}]*){END}")


class WordsChannel:
    """BM25 over the words of a collection, with an index in the file `path`, which is updated if the collection has changed.

    Words that are equal but for case and diacritics match. If fewer than `FEW` videos have some, those with similar words
    follow. The confidence of a hit is the share of the query's words that it has, weighted by their rarity; a tenth of it
    for similar words. A long video has a document for each window, with the words recognized in it, and one of captions and
    name: its score is that of the best. A phrase that is in none of its windows is found by all of its words. Without
    `path`, or if it cannot be written, the index is in memory. It is not thread-safe.

    Args:
        windows: of long videos (None: all videos are documents as a whole).
        captions, names: whether captions and the names of files are searched, too.

    Raises:
        InputError: SQLite lacks FTS5, or there is nothing to search.
    """

    name = "words"

    def __init__(
        self,
        collection: Collection,
        path: Path | None = None,
        captions: bool = True,
        names: bool = True,
        windows: Windows | None = None,
    ):
        self._items = CutCollection(collection, windows)
        self._fields = [*collection.word_experts, *([CAPTIONS] if captions else []), *([NAME] if names else [])]
        if not self._fields:
            raise InputError("words: no expert has recognized words, and neither captions nor names are searched")
        self._vocabulary: dict[str, int] | None = None
        self._index = WordsIndex(collection, self._items, self._fields, path)

    def search(self, text: str, k: int) -> list[ChannelHit]:
        """Return at most k videos with words of the query, the best first; see `tokens.parse_query`."""
        try:
            return self._search(text, k)
        except sqlite3.DatabaseError as error:
            self._index.rebuild(error)
            self._vocabulary = None
            return self._search(text, k)

    def find_doubt(self, hits: Sequence[ChannelHit]) -> str | None:
        """Return why none of the hits of a query is believable: no video has a form of one of its words.

        Of a short query, it has to be half of the words.
        """
        if any(not hit.is_misspelled and not hit.is_partial for hit in hits):
            return None
        if any(not hit.is_misspelled for hit in hits):
            return "no video has half of these words"
        return "no video has these words, only similar ones" if hits else "no video has these words"

    def find_excluded(self, negatives: Sequence[str]) -> set[str]:
        """Return all videos that have any of some words and phrases, not similar ones."""
        terms = list(dict.fromkeys(term for text in negatives for term in parse_query(text)))
        rows = [row for table in TABLES for row in self._index.find_items(table, terms[:MAX_TERMS])] if terms else []
        return {video_of(item) for _, _, item in rows}

    def find_notes(self, text: str) -> list[str]:
        """Return a note on a query of more than `MAX_TERMS` words, or a short one of which only some words are found."""
        if count_terms(text) > MAX_TERMS:
            return [f"words: the first {MAX_TERMS} words are searched, not the rest"]
        terms = parse_query(text)
        if len(terms) > MAX_NAMED_TERMS:
            return []
        absent = [term for term in terms if not self._exists(term)]
        split = [x for x in absent if len(x.words) > 1 and all(self._exists(Term((word,))) for word in x.words)]
        notes = [f"words: no video has the words “{' '.join(term.words)}” in this order" for term in split]
        absent = [term for term in absent if term not in split]
        if len(terms) == 1:  # a doubt says that nothing is found
            return notes
        forms = {original for term, original in self._find_similar_terms(absent).items() if _is_form(term, original)}
        absent = [term for term in absent if term not in forms]
        named = ", ".join(f"“{' '.join(term.words)}”" for term in absent)
        return [*notes, f"words: no video has {named}"] if 0 < len(absent) < len(terms) else notes

    def describe(self) -> str:
        """Return the number of videos with words of each kind."""
        rows = "words JOIN items ON items.number = words.rowid"
        counts = [
            (
                field,
                self._index.execute(f"SELECT count(DISTINCT video) FROM {rows} WHERE f{i} != ''").fetchone()[0],
            )
            for i, field in enumerate(self._fields)
        ]
        return ", ".join(f"{field} of {count_text(count, 'video')}" for field, count in counts if count)

    def close(self) -> None:
        """Close the file."""
        self._index.close()

    def _search(self, text: str, k: int) -> list[ChannelHit]:
        terms = parse_query(text)
        rarity = self._measure_rarity(terms)
        hits = self._match({term: term for term in terms}, rarity, k)
        if len(hits) < min(k, FEW) and (similar := self._find_similar_terms(terms)):
            found = {hit.id for hit in hits}
            further = [hit for hit in self._match(similar, rarity, k, similar=True) if hit.id not in found]
            hits += further[: k - len(hits)]
        return hits

    def _exists(self, term: Term) -> bool:
        """Return whether some item has a term."""
        return any(next(self._index.find_items(table, [term]), None) for table in TABLES)

    def _measure_rarity(self, terms: Sequence[Term]) -> dict[Term, float]:
        """Return the inverse document frequency of the rarest word of each term, log(1 + (N - n + 0.5) / (n + 0.5))."""
        (last,) = self._index.execute("SELECT max(rowid) FROM words").fetchone()
        total = 0 if last is None else last + 1
        words = list({fold(word) for term in terms for word in term.words})
        rows = self._index.execute(
            "SELECT value, doc FROM json_each(?) JOIN vocabulary ON term = value", (json.dumps(words),)
        )
        counts = dict(rows)
        rarity = {word: math.log(1 + (total - (n := counts.get(word, 0)) + 0.5) / (n + 0.5)) for word in words}
        return {term: max(rarity[fold(word)] for word in term.words) for term in terms}

    def _match(
        self, terms: Mapping[Term, Term], rarity: Mapping[Term, float], k: int, similar: bool = False
    ) -> list[ChannelHit]:
        """Return the k best videos with any of some terms; equal scores are in the order of the collection.

        The confidence of a hit is the share of the `rarity` of all terms of the query that its terms have.

        Args:
            terms: term to search -> term of the query that it stands for.
        """
        if not terms:
            return []
        phrases = {term: original for term, original in terms.items() if len(term.words) > 1}
        parts = self._index.find_split_phrases(list(phrases))
        # About what BM25 gives to a phrase that is once in a window.
        score_of_part = -max((rarity[original] for original in phrases.values()), default=0.0)
        rows = self._rank(terms) + [(score_of_part, number, part.video) for number, part in parts.items()]
        by_video: dict[int, list[tuple[int, float]]] = {}  # number of the video -> its items and their scores
        for score, number, video in sorted(rows):
            if video in by_video or len(by_video) < k:
                by_video.setdefault(video, []).append((number, score))
        texts_of = self._index.mark("words", terms, [items[0][0] for items in by_video.values()])
        texts_of |= {number: part.fields for number, part in parts.items()}
        hits, total_rarity = [], sum(rarity.values())
        for items in by_video.values():
            ids = [parts[number].item if number in parts else self._read_id(number) for number, _ in items]
            item, (best, score) = ids[0], items[0]
            marked = {fold(x) for text in texts_of[best] for part in MARKED.findall(text) for x in part.split()}
            matched = {term: original for term, original in terms.items() if term.is_in(marked)}
            misspelled = similar and not any(_is_form(*pair) for pair in matched.items())
            evidence = list(self._collect_evidence(item, texts_of[best], similar, misspelled))
            share = (
                sum(rarity[term] for term in dict.fromkeys(matched.values())) / total_rarity
            )  # in an order: it is a float
            confidence = share * SIMILAR_CONFIDENCE if similar else share
            moments = as_moments((x, -score) for x, (_, score) in zip(ids, items, strict=True))
            is_partial = len(rarity) <= MAX_NAMED_TERMS and 2 * len(set(matched.values())) < len(rarity)
            hits.append(ChannelHit(video_of(item), -score, evidence, moments, confidence, is_partial))
        return hits

    def _rank(self, terms: Iterable[Term]) -> list[tuple[float, int, int]]:
        """Return score, which is lower for better ones, number, and number of the video of the items with some term."""
        weights = ", ".join(str(FIELD_WEIGHTS.get(field, RECOGNIZED_WEIGHT)) for field in self._fields)
        query = (
            f"SELECT score, number, video FROM items JOIN (SELECT rowid, bm25(words, {weights}) AS score FROM words "
            "WHERE words MATCH ?) AS found ON found.rowid = number"
        )
        return self._index.execute(query, (to_expression(terms),)).fetchall()

    def _read_id(self, number: int) -> str:
        return decode_id(self._index.execute("SELECT id FROM items WHERE number = ?", (number,)).fetchone()[0])

    def _collect_evidence(self, item: str, texts: Sequence[str], similar: bool, misspelled: bool) -> Iterator[Evidence]:
        """Yield the words of an item that match in each field, whose text has one line per recognized word or caption."""
        all_times = self._items.get_word_times(item)
        for field, text in zip(self._fields, texts, strict=True):
            if BEGIN not in text:
                continue
            words, positions, is_marked = [], [], False
            for number, line in enumerate(text.split("\n")):
                if is_marked or BEGIN in line:
                    positions.append(number)
                for part in line.replace(BEGIN, f" {BEGIN} ").replace(END, f" {END} ").split():
                    if part in (BEGIN, END):
                        is_marked = part == BEGIN
                    elif is_marked and part not in words:
                        words.append(part)
            positions = [] if field in (CAPTIONS, NAME) else positions
            times = [all_times[field][i] for i in positions] if field in all_times else []
            text = " ".join(words[:MAX_EVIDENCE_WORDS])
            yield Evidence(field, text, positions, similar=similar, misspelled=misspelled, times=times)

    def _find_similar_terms(self, terms: Sequence[Term]) -> dict[Term, Term]:
        """Return words of the vocabulary that differ from a word of a query in one or two letters, but not in the first.

        Each has the term of the query that it stands for.
        For a word that is in the vocabulary, or English, only longer and shorter ones are returned, such as its plural.
        Words that contain one of the query follow, such as "bigbuckbunny" for "bunny".
        """
        plain = {fold(term.words[0]): term for term in terms if term.is_plain}
        plain = {word: term for word, term in plain.items() if len(word) >= MIN_TYPO_LENGTH and word.isalpha()}
        if not plain:
            return {}
        if self._vocabulary is None:
            self._vocabulary = dict(self._index.execute("SELECT term, doc FROM vocabulary"))
        similar: dict[Term, Term] = {}
        for word, term in plain.items():
            found = [
                (distance, -self._vocabulary[x], x) for x, distance in find_similar_words(word, self._vocabulary.keys())
            ]
            if word in self._vocabulary or _is_frequent(word):  # it is hardly a typo, but may be a singular or plural
                found = [entry for entry in found if entry[2].startswith(word) or word.startswith(entry[2])]
            chosen = [x for _, _, x in sorted(entry for entry in found if entry[2] not in STOP_WORDS)]
            if len(word) >= MIN_PART_LENGTH:
                chosen += sorted((x for x in self._vocabulary if word in x and x != word), key=lambda x: (len(x), x))
            for x in list(dict.fromkeys(chosen))[:MAX_SIMILAR]:
                similar.setdefault(Term((x,)), term)
        return similar


def _is_frequent(word: str) -> bool:
    """Return whether a word is in the vocabulary of MiniLM; false if that is not installed."""
    with contextlib.suppress(InputError):
        return word in english_words()
    return False


def _is_form(term: Term, original: Term) -> bool:
    """Return whether one of two terms of one word contains the other, such as a plural."""
    words = fold(term.words[0]), fold(original.words[0])
    return words[0] in words[1] or words[1] in words[0]
