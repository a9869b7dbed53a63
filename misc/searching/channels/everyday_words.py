"""Everyday words, such as "dog", for groups of classes of ImageNet, whose names are those of breeds, species and models."""

import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("everyday_words.toml")
RANGE = " .. "
ANIMAL = "animal"  # a group
PLURALS = (("ies", "y"), ("ves", "f"), ("ves", "fe"), ("es", ""), ("s", ""))  # ending -> that of the singular


@cache
def load_groups(classes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return everyday words, and the numbers of those of the classes that each one is for.

    The last word of the name of an animal, such as "sulphur-crested cockatoo", is one, too, unless the file has it.
    """
    content = tomllib.loads(FILE.read_text(encoding="utf-8"))
    groups: dict[str, set[int]] = {}
    for section in content.values():
        for words, names in section.items():
            for word in words.split(", "):
                groups.setdefault(word, set()).update(_iter_numbers(names, classes))
    last_words: dict[str, set[int]] = {}
    for number in groups.get(ANIMAL, ()):
        if " " in classes[number]:
            last_words.setdefault(classes[number].lower().split()[-1], set()).add(number)
    groups = last_words | groups
    return {word: np.array(sorted(numbers), np.int64) for word, numbers in groups.items()}


def find_group(part: str, classes: Sequence[str]) -> np.ndarray:
    """Return the numbers of the classes that a part of a query, in singular or plural, is an everyday word for."""
    groups = load_groups(tuple(classes))
    return next((groups[word] for word in (part, *find_singulars(part)) if word in groups), np.zeros(0, np.int64))


def find_singulars(word: str) -> list[str]:
    """Return the words that a word may be the plural of."""
    return [word.removesuffix(ending) + singular for ending, singular in PLURALS if word.endswith(ending)]


def _iter_numbers(names: Sequence[str], classes: Sequence[str]) -> Iterator[int]:
    for name in names:
        first, _, last = name.partition(RANGE)
        if first in classes and (last or first) in classes:
            yield from range(classes.index(first), classes.index(last or first) + 1)
