"""The words that experts recognized in the videos of a collection, and other files of values by video."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import pydantic

from misc.extraction.collection_files import WORD_TIMES, WORDS
from misc.searching.index.metadata import read_json
from utils.errors import InputError
from utils.names import normalize_name


class RecognizedWords:
    """The words in the files of a folder, `<expert>` + `WORDS`, and their times, which are read when they are needed."""

    def __init__(self, folder: Path):
        self._folder = folder

    @property
    def experts(self) -> list[str]:
        """The experts that recognize words."""
        return list(self._words)

    def get(self, video: str) -> dict[str, list[str]]:
        """Return the words that experts recognized in a video: expert -> words."""
        return {expert: words[video] for expert, words in self._words.items() if words.get(video)}

    def get_times(self, video: str) -> dict[str, list[tuple[float, float]]]:
        """Return start and end in seconds of each word of `get`, only for experts with known times.

        Raises:
            InputError: there are not as many times as words.
        """
        words, found = self.get(video), {}
        for expert, by_video in self._times.items():
            if times := by_video.get(video):
                if len(times) != (count := len(words.get(expert, ()))):
                    path = self._folder / f"{expert}{WORD_TIMES}"
                    raise InputError(f"{path}: '{video}': found {len(times)} times, expected one for each of {count} words")
                found[expert] = [(start, end) for start, end in times]
        return found

    @cached_property
    def _words(self) -> dict[str, dict[str, list[str]]]:
        paths = sorted(self._folder.glob(f"*{WORDS}"))
        return {path.name.removesuffix(WORDS): read_by_video(path, list[str], "list of words") for path in paths}

    @cached_property
    def _times(self) -> dict[str, dict[str, list[list[float]]]]:
        paths = sorted(self._folder.glob(f"*{WORD_TIMES}"))
        kind = list[Annotated[list[float], pydantic.Field(min_length=2, max_length=2)]]
        return {path.name.removesuffix(WORD_TIMES): read_by_video(path, kind, "list of [start, end]") for path in paths}


def read_by_video(path: Path, value_type: Any, description: str) -> dict[str, Any]:
    """Return the values of a JSON file by video."""
    try:
        values = pydantic.TypeAdapter(dict[str, value_type]).validate_python(read_json(path), strict=True)
    except pydantic.ValidationError:
        raise InputError(f"{path}: expected an object, video -> {description}") from None
    return {normalize_name(video): value for video, value in values.items()}
