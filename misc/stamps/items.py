"""The stamps in the files of the package: picture, English caption and English sounds of each."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from misc.stamps.package import PICTURES, SOUNDS, TEXT
from utils.names import normalize_name

# A line of a text in another language, such as "pt_BR.utf8=Uma maçã."
TRANSLATION = re.compile(r"([\w@]+)\.utf8=")
# Suffixes of the name of a sound in the order of preference; some are only there as spoken by a Briton.
ENGLISH = ("", "_en", "_en_US", "_en_GB")
VARIANTS = ("_mirror", "_flip")  # suffixes of pictures that replace that of another stamp when it is mirrored


@dataclasses.dataclass(frozen=True)
class Stamp:
    """A stamp. Pictures and sounds are paths in the package."""

    id: str  # path below the folder of stamps, without suffix and with "-" for "/"
    caption: str
    picture: str
    sounds: tuple[str, ...]  # its sound effect and then its spoken name, as far as they exist


def find_stamps(files: Mapping[str, bytes]) -> tuple[dict[str, Stamp], list[str], Counter[str]]:
    """Return the stamps by id, a line for each file that cannot be used, and the number of captions in other languages.

    A stamp is a text and a picture of the same name: PNG, or SVG if there is no PNG. The first line of the text is the
    English caption, the others are translations.
    """
    stamps: dict[str, Stamp] = {}
    warnings: list[str] = []
    translations: Counter[str] = Counter()
    for path in files:
        stem, suffix = _split(path)
        if suffix != TEXT:
            if suffix in PICTURES and stem + TEXT not in files and not stem.endswith(VARIANTS):
                warnings.append(f"{path}: left out, it has no caption ({PurePosixPath(stem).name}{TEXT})")
            continue
        text, problem = _decode(files[path])
        if problem:
            warnings.append(f"{path}: {problem}")
        lines = text.splitlines()
        translations.update(match[1] for line in lines if (match := TRANSLATION.match(line)))
        caption = " ".join(lines[0].split()) if lines and not TRANSLATION.match(lines[0]) else ""
        picture = next((stem + suffix for suffix in PICTURES if stem + suffix in files), None)
        name = normalize_name(stem.replace("/", "-"))
        if picture is None:
            warnings.append(f"{path}: left out, it has no picture")
        elif not re.search(r"\w", caption):
            warnings.append(f"{path}: left out, its first line is no English caption")
        elif name in stamps:
            warnings.append(f"{path}: left out, it has the same name as {stamps[name].picture}")
        else:
            stamps[name] = Stamp(name, caption, picture, tuple(_find_sounds(stem, files)))
    return stamps, warnings, translations


def _split(path: str) -> tuple[str, str]:
    suffix = PurePosixPath(path).suffix
    return path.removesuffix(suffix), suffix


def _decode(content: bytes) -> tuple[str, str | None]:
    """Return a text, and what is odd about its encoding (None: nothing)."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace"), "UTF-16, expected UTF-8"
    try:
        return content.decode("utf-8-sig"), None
    except UnicodeDecodeError:
        return content.decode("latin-1"), "not UTF-8, read as Latin-1"


def _find_sounds(stem: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the path of the sound effect of a stamp, and that of its spoken name."""
    for kind in ("", "_desc"):
        paths = (stem + kind + language + suffix for language in ENGLISH for suffix in SOUNDS)
        if path := next((path for path in paths if path in files), None):
            yield path
