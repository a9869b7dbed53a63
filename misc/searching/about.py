"""What an index remembers of the checkpoint and of the model that its vectors come from."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import Field

from misc.searching.patterns import pattern_of
from utils.errors import InputError, one_line

MOST_BYTES = 1 << 30  # of the list of ten million videos
Kind = Literal["flat", "ivf", "hnsw"]
Positive = Annotated[int, Field(gt=0, lt=1 << 31)]
Content = TypeVar("Content", bound=pydantic.BaseModel)


class Part(pydantic.BaseModel):
    """A part of what is written: no unknown keys, no conversions between types."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)


class About(Part):
    """See above.

    Attributes:
        collection: its name.
        checkpoint: the path of the checkpoint.
        sha256: of its weights, and of what in its config says how they are used.
        experts: M names.
        dims: of the M' embeddings of a video (1 in the Concat variants, else M).
        keep_missing: every expert counts as present.
        l2renorm: scores are divided by lengths.
        kind: of the index.
    """

    collection: str
    checkpoint: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    experts: Annotated[list[str], Field(min_length=1, max_length=1000)]
    dims: Annotated[list[Positive], Field(min_length=1, max_length=1000)]
    keep_missing: bool
    l2renorm: bool
    kind: Kind

    @pydantic.model_validator(mode="after")
    def _fits(self) -> "About":
        if len(self.dims) not in (1, len(self.experts)):
            raise ValueError(f"{len(self.dims)} dims for {len(self.experts)} experts")
        return self

    @property
    def is_concat(self) -> bool:
        """Whether all experts have one embedding (with one expert that makes no difference)."""
        return len(self.dims) < len(self.experts)

    def pattern(self, available: str) -> str:
        """The pattern of a video with the experts `available`, a 0 or 1 for each of M, as `CENet.embed_video` says."""
        if self.keep_missing:
            return "1" * len(self.dims)
        return pattern_of([int("1" in available)]) if self.is_concat else available

    def refuse_other(self, sha256: str, checkpoint: Path, place: str) -> None:
        """Refuse to go on with another checkpoint.

        Raises:
            InputError: it is one.
        """
        if sha256 != self.sha256:
            raise InputError(
                f"{place}: built with {self.checkpoint} (weights {self.sha256[:12]}), found {checkpoint} ({sha256[:12]}), "
                "expected the same weights (or build it anew: misc/search.py build)"
            )


def parsed(kind: type[Content], content: Any, place: str) -> Content:
    """`content` as what it should be.

    Raises:
        InputError: it is not; `place` says where it stands.
    """
    try:
        return kind.model_validate(content)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "content"
        raise InputError(f"{place}: damaged: {key}: {one_line(first['msg'])}; build it anew: misc/search.py build") from None


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: it cannot be read, or is none.
    """
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise InputError(f"{path}: {size} bytes, expected at most {MOST_BYTES}")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged, expected JSON ({one_line(str(error))})") from None
