"""Words of texts and queries in any script, as the full-text index reads them."""

import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import NamedTuple

from misc.searching import result
from utils.visualizer.videos import strip_suffix

# Scripts that do not separate words: Thai, Lao, Tibetan, Burmese, Khmer, kana and Chinese characters. Each character is a
# word of the index, and neighbors are searched together.
UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
UNKNOWN_CASE = re.compile("[ß\u0500-\U0010ffff]")  # the tables of SQLite are of Unicode 6.1
CHUNK = re.compile(r'"([^"]*)"?|([^\s"]+)')  # a phrase in quotes, or what is between spaces
NEGATIVE = re.compile(r'(?<!\S)-("[^"]+"?|[^\W\d_][^\s"]*)')
NAME_PARTS = re.compile(r"[^\W\d_]+|\d+")
CAMEL = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])|(?<=[A-ZÀ-Þ])(?=[A-ZÀ-Þ][a-zà-ÿ])")
STOP_WORDS = frozenset(result.STOP_WORDS.split())
MAX_TERMS = 200  # of a query: the index limits the length of expressions


class Term(NamedTuple):
    """A part of a query: words that follow one another, of which the last may be the beginning of a word."""

    words: tuple[str, ...]
    is_prefix: bool = False
    is_quoted: bool = False

    @property
    def expression(self) -> str:
        """The term in the syntax of FTS5. Words have neither quotes nor other signs."""
        return f'"{" ".join(self.words)}"{"*" if self.is_prefix else ""}'

    def is_in(self, words: Collection[str]) -> bool:
        """Return whether all words of the term are among some folded words."""
        *first, last = map(fold, self.words)
        has_last = any(word.startswith(last) for word in words) if self.is_prefix else last in words
        return has_last and all(word in words for word in first)

    @property
    def is_plain(self) -> bool:
        """Whether it is one word of a script with spaces, and not in quotes."""
        is_word = len(self.words) == 1 and not self.is_prefix and not self.is_quoted
        return is_word and not UNSPACED.match(self.words[0])


def split_words(text: str) -> list[str]:
    """Return the words of a text: letters, digits and marks, in NFKC; each character of an unspaced script is a word.

    Letters of which the index does not know that they are equal but for case, such as ß and SS, are casefolded.
    """
    words, letters = [], ""
    for char in UNKNOWN_CASE.sub(lambda match: match[0].casefold(), unicodedata.normalize("NFKC", text)):
        category = unicodedata.category(char)
        is_unspaced = UNSPACED.match(char) is not None
        if category[0] == "M" and is_unspaced and not letters:  # a vowel of the character before it
            if words:
                words[-1] += char
        elif not is_unspaced and (category[0] in "LN" or category == "Co" or (category[0] == "M" and letters)):
            letters += char
        else:
            if letters:
                words.append(letters)
                letters = ""
            if is_unspaced and category[0] in "LN":
                words.append(char)
    return [*words, letters] if letters else words


def split_name(name: str) -> list[str]:
    """Return the words in the name of a file: parts of letters, of digits and with a capital, then the undivided words."""
    name = unicodedata.normalize("NFKC", name)
    parts = [word for part in NAME_PARTS.findall(name) for x in CAMEL.split(part) for word in split_words(x)]
    return parts + [word for word in split_words(name) if word not in parts]


def fold(word: str) -> str:
    """Return a word without case and diacritics, close to its form in the vocabulary of the index."""
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return unicodedata.normalize("NFC", "".join(char for char in decomposed if not "\u0300" <= char <= "\u036f"))


def parse_query(text: str) -> list[Term]:
    """Return the terms of a query, any of which may match: words, "phrases in quotes", and beginnings of words*.

    Very common words only count if there are no others, or in a phrase. Two neighboring characters of an unspaced script
    are a term. Signs are not part of words, and have no other meaning.
    """
    terms = list(dict.fromkeys(_iter_terms(text)))[:MAX_TERMS]
    return [term for term in terms if not (term.is_plain and fold(term.words[0]) in STOP_WORDS)] or terms


def split_negatives(text: str) -> tuple[str, list[str]]:
    """Return a query without its negative words and phrases, `-word` and `-"a phrase"`, and these without their sign.

    The sign is at the beginning of a word of letters; it has no meaning within one, or before a number.
    """
    negatives = [match[1] for match in NEGATIVE.finditer(text)]
    return NEGATIVE.sub(" ", text), negatives


def count_terms(text: str) -> int:
    """Return the number of different terms of a query, of which `parse_query` returns at most `MAX_TERMS`."""
    return len(set(_iter_terms(text)))


def _iter_terms(text: str) -> Iterator[Term]:
    for match in CHUNK.finditer(text):
        phrase, chunk = match.groups()
        words = split_words(phrase if chunk is None else strip_suffix(chunk))
        if not words:
            continue
        if chunk is None:
            yield Term(tuple(words), is_quoted=True)
        elif any(UNSPACED.match(word) for word in words):
            yield from _iter_unspaced(words)
        else:
            yield Term(tuple(words), chunk.endswith("*"))


def _iter_unspaced(words: list[str]) -> Iterator[Term]:
    """Yield each pair of neighboring characters, single ones, and the words between them."""
    is_unspaced = [UNSPACED.match(word) is not None for word in words]
    for i, word in enumerate(words):
        if not is_unspaced[i]:
            yield Term((word,))
        elif i + 1 < len(words) and is_unspaced[i + 1]:
            yield Term((word, words[i + 1]))
        elif not (i and is_unspaced[i - 1]):
            yield Term((word,))
