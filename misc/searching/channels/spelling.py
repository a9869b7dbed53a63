"""Words with typos: known words that differ from a word in one or two letters, but not in the first."""

import functools
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from misc.searching.channels.everyday_words import find_singulars
from misc.searching.query_language import english_words
from utils.optional_packages import require_package

LONG = 7  # letters of words that may have two typos
MIN_LENGTH = 5  # letters of words that are corrected


def find_similar_words(word: str, vocabulary: Collection[str]) -> Iterator[tuple[str, int]]:
    """Yield each word of a vocabulary with the same first letter and one typo, or two from `LONG` letters, and their number.

    Typos are letters that are inserted, deleted, replaced, or swapped with the next one (distance OSA).
    """
    require_package("rapidfuzz")
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    cutoff = 1 if len(word) < LONG else 2
    for other, distance, _ in process.extract(word, vocabulary, scorer=OSA.distance, score_cutoff=cutoff, limit=None):
        if distance and other[0] == word[0]:
            yield other, distance


def correct_words(words: Iterable[str], vocabulary: Collection[str]) -> dict[str, str]:
    """Return the most similar word of a vocabulary for each word that is misspelled, and that is similar to one.

    Words of fewer than `MIN_LENGTH` letters, and English words in singular or plural, are not misspelled.
    """
    corrected = {}
    for word in dict.fromkeys(words):
        forms = (word, *find_singulars(word))
        if len(word) < MIN_LENGTH or not word.isalpha() or any(x in vocabulary or _is_english(x) for x in forms):
            continue
        if similar := list(find_similar_words(word, vocabulary)):
            corrected[word] = min(similar, key=lambda pair: pair[1])[0]
    return corrected


def _is_english(word: str) -> bool:
    """Return whether a word is in the vocabulary of MiniLM, or in the pronouncing dictionary of pocketsphinx."""
    return word in english_words() or word in _pronounced_words()


@functools.cache
def _pronounced_words() -> frozenset[str]:
    path = Path(require_package("pocketsphinx").get_model_path()) / "en-us" / "cmudict-en-us.dict"
    return frozenset(line.partition(" ")[0] for line in path.read_text(encoding="utf-8").splitlines())
