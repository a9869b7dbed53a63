"""The number of examples per property."""

import os

from hypothesis import settings

IS_NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


def examples(number):
    """Return settings with `number` examples, three times as many with HYPOTHESIS_PROFILE=nightly."""
    return settings(max_examples=3 * number if IS_NIGHTLY else number)
