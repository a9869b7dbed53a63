"""What a search returns."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Hit:
    """A video that was found.

    Attributes:
        rank: from 1.
        id: its name.
        similarity: to the query (None: there was no query).
        weights: of the query's experts as they apply to this video, w_i a_i / sum w a; None in the Concat variants, and
            where the query was a video.
        experts: those that the video has.
        captions: some of its own.
        words: expert -> words that it recognised.
        clip: the address of its file, relative to the folder of the collection, percent-quoted (None: there is none).
    """

    rank: int
    id: str
    similarity: float | None
    weights: dict[str, float] | None
    experts: list[str]
    captions: list[str]
    words: dict[str, list[str]]
    clip: str | None


@dataclasses.dataclass(frozen=True)
class Answer:
    """The videos that were found, best first.

    Attributes:
        query: the words, or the name of the video that was asked with.
        weights: of the experts for the query, with sum 1 (None as in `Hit`).
    """

    query: str
    weights: dict[str, float] | None
    hits: list[Hit]


@dataclasses.dataclass(frozen=True)
class CaptionHit:
    """A caption that was found.

    Attributes:
        rank: from 1.
        video: whose caption it is.
        id: `<video>#<n>`, where n is its position among the captions of the video in the file, from 0.
        caption: "" where the text is not known.
        similarity: to the video that was asked with.
        weights: of the caption's experts as they apply to that video (None in the Concat variants).
    """

    rank: int
    video: str
    id: str
    caption: str
    similarity: float
    weights: dict[str, float] | None
