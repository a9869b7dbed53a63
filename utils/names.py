"""Unicode forms of the names of videos, which differ between file systems, lists and command lines."""

import unicodedata
from collections.abc import Container


def normalize_name(name: str) -> str:
    """Return a name in NFC, the form of ids: file names on macOS are in NFD."""
    return unicodedata.normalize("NFC", name)


def match_name(name: str, known: Container[str]) -> str:
    """Return a name unchanged if it is in `known`, else in NFC."""
    return name if name in known else normalize_name(name)
