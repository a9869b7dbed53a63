"""Long videos in windows of some seconds, by the times of the features that an extraction has stored.

An *item* is what is indexed: a video, or a window of a long video. Its id is that of the video, followed by the control
character "unit separator" and start and end of the window: no id of an extracted video has a control character.
"""

import dataclasses
from collections.abc import Iterable
from typing import Annotated, TypeAlias

import pydantic
from pydantic import Field

from base.schema import Section
from utils.errors import InputError

SEPARATOR = "\x1f"
MIN_WINDOW, MAX_WINDOW = 1.0, 3600.0  # seconds
MIN_STRIDE = 0.5
WINDOWS_FILE = "windows.json"  # those of --window, in the folder of the index
MAX_MOMENTS = 3  # per result

Span: TypeAlias = tuple[float, float]  # start and end in seconds from the first frame


class Windows(Section):
    """Length and distance of the windows of long videos in seconds."""

    window: Annotated[float, Field(ge=MIN_WINDOW, le=MAX_WINDOW)] = 10.0
    stride: Annotated[float, Field(ge=MIN_STRIDE, le=MAX_WINDOW)] = 10.0

    @pydantic.model_validator(mode="after")
    def _check_stride(self) -> "Windows":
        if self.stride > self.window:
            raise ValueError(f"stride {self.stride:g} exceeds window {self.window:g}")
        return self

    def cut(self, length: float) -> list[Span]:
        """Return the windows of a video of `length` seconds, which contain all of it.

        The last one may be up to half a stride longer or shorter than the others.
        """
        count = 1
        while length - ((count - 1) * self.stride + self.window) >= self.stride / 2:
            count += 1
        starts = [round(i * self.stride, 3) for i in range(count)]
        ends = [round(start + self.window, 3) for start in starts[:-1]]
        return list(zip(starts, [*ends, round(length, 3)], strict=True))


def describe_windows(windows: Windows | None) -> str:
    """Return windows as text (None: videos are not cut)."""
    return "no windows" if windows is None else f"windows of {windows.window:g} s every {windows.stride:g} s"


@dataclasses.dataclass(frozen=True)
class Moment:
    """A window of a long video that fits a query."""

    start: float  # seconds from the start of the video
    end: float
    score: float | None = None  # of the channel or the fusion that found it


def item_id(video: str, span: Span | None) -> str:
    """Return the id of a window, or of a whole video."""
    return video if span is None else f"{video}{SEPARATOR}{float(span[0])!r},{float(span[1])!r}"


def split_item(item: str) -> tuple[str, Span | None]:
    """Return video and window of an item (None: the whole video)."""
    video, _, times = item.rpartition(SEPARATOR)
    if not video:
        return item, None
    start, _, end = times.partition(",")
    return video, (float(start), float(end))


def video_of(item: str) -> str:
    """Return the video of an item."""
    return split_item(item)[0]


def as_moments(items: Iterable[tuple[str, float | None]]) -> list[Moment]:
    """Return the first windows of some items of a video with their scores; none for a whole video."""
    spans = ((split_item(item)[1], score) for item, score in items)
    return choose_moments(Moment(*span, score) for span, score in spans if span is not None)


def choose_moments(moments: Iterable[Moment]) -> list[Moment]:
    """Return the first moments of a video, at most `MAX_MOMENTS`, without one that is mostly in another."""
    chosen: list[Moment] = []
    for moment in moments:
        if not any(_share(moment, x) > 0.5 for x in chosen):
            chosen.append(moment)
        if len(chosen) == MAX_MOMENTS:
            break
    return chosen


def _share(a: Moment, b: Moment) -> float:
    """Return the share of the shorter one of two moments that is in the other one, at most 0 if they do not overlap."""
    return (min(a.end, b.end) - max(a.start, b.start)) / min(a.end - a.start, b.end - b.start)


def make_windows(window: float | None, stride: float | None, before: Windows | None = None) -> Windows | None:
    """Return the windows of a command line; None if they are switched off by a window of 0.

    A stride that is None is the window, and a window that is None is that of `before`, or the default.

    Raises:
        InputError: numbers out of bounds.
    """
    if window == 0:
        if stride is not None:
            raise InputError("--stride: expected no stride with --window 0, which switches windows off")
        return None
    window = (before or Windows()).window if window is None else window
    if not MIN_WINDOW <= window <= MAX_WINDOW:
        raise InputError(f"--window {window:g}: expected {MIN_WINDOW:g} to {MAX_WINDOW:g} seconds, or 0 for whole videos")
    try:
        return Windows(window=window, stride=window if stride is None else stride)
    except pydantic.ValidationError:
        expected = f"{MIN_STRIDE:g} to {window:g} seconds, the window"
        raise InputError(f"--stride {stride:g}: expected {expected}") from None
