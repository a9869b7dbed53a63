"""Names of videos, which come from file systems, lists and command lines in more than one Unicode form."""

import unicodedata
from collections.abc import Container


def normalize_name(name: str) -> str:
    """Return a name in NFC, the form that ids are written in: macOS gives names of files in NFD."""
    return unicodedata.normalize("NFC", name)


def match_name(name: str, known: Container[str]) -> str:
    """Return a name as `known` has it: unchanged if it is there, else in NFC, whether or not that is there."""
    return name if name in known else normalize_name(name)
