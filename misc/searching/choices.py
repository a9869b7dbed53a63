"""What the command line of `misc/search.py` chooses from, without the modules that take long to import."""

from typing import Literal, get_args

CHANNELS = ("words", "concepts", "zero_shot", "trained")
IndexKind = Literal["flat", "sq8", "ivf", "hnsw"]
INDEX_KINDS = get_args(IndexKind)
