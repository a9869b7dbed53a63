"""The ranks of all queries of an evaluation, in a file beside `metrics.json`."""

from pathlib import Path
from typing import Annotated, Self

import pydantic
from pydantic import Field, model_validator

from base.registry import explain
from utils.errors import InputError
from utils.files import read_limited, write_bytes

MAX_BYTES = 1 << 30
Rank = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class QueryRanks(pydantic.BaseModel):
    """The ranks of N captions and V videos as queries of each other, and where they come from.

    The queries of "t2v" and "t2v_querybank" are the captions, those of "v2t" and "v2t_querybank" the videos.
    """

    model_config = pydantic.ConfigDict(strict=True, extra="ignore")

    config: str  # file of the config, as in `metrics.json`
    checkpoint: str  # file of the checkpoint
    seed: int
    split: str
    leaky: bool
    v2t_ties: str
    videos: list[str]  # names of the V videos
    captions: list[str]  # names of the N captions
    texts: list[str]  # their text, "" if it is unknown
    owners: list[Annotated[int, Field(ge=0)]]  # number of the video of each caption
    ranks: dict[str, list[Rank]]  # "t2v", "v2t", "t2v_querybank", "v2t_querybank" -> 0-based rank of each query

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if not self.captions or not len(self.captions) == len(self.texts) == len(self.owners):
            raise ValueError("captions, texts and owners of different lengths, or none")
        if max(self.owners) >= len(self.videos):
            raise ValueError(f"a caption of video {max(self.owners)} of {len(self.videos)}")
        if missing := {"t2v", "v2t"} - self.ranks.keys():
            raise ValueError(f"no {min(missing)} in ranks")
        for name, ranks in self.ranks.items():
            if len(ranks) != (num_queries := len(self.queries(name))):
                raise ValueError(f"{len(ranks)} ranks in {name}, expected {num_queries}")
            num_items = len(self.videos) + len(self.captions) - num_queries
            if max(ranks) >= num_items:
                raise ValueError(f"rank {max(ranks):g} in {name}, expected less than {num_items}")
        return self

    def queries(self, name: str) -> list[str]:
        """Return the names of the queries of an entry of `ranks`."""
        return self.captions if name.startswith("t2v") else self.videos

    def write(self, path: Path) -> None:
        """Write the file, atomically."""
        write_bytes(path, self.model_dump_json().encode() + b"\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; raise an InputError if it is none or damaged."""
        try:
            return cls.model_validate_json(read_limited(path, MAX_BYTES))
        except pydantic.ValidationError as error:
            raise InputError(f"{path}: {explain(error)}, expected ranks written by test.py or train.py") from None
        except ValueError as error:
            raise InputError(f"{path}: {error}, expected ranks written by test.py or train.py") from None
