"""The number of examples per property."""

import os

from hypothesis import settings

IS_NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


def examples(number, factor=3):
    """Return settings with `number` examples, `factor` times as many with HYPOTHESIS_PROFILE=nightly."""
    return settings(max_examples=factor * number if IS_NIGHTLY else number)
