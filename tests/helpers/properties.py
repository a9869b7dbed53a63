"""The number of examples per property."""

import os

from hypothesis import settings

FACTOR = 3 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 1


def examples(number):
    """Return settings with `number` examples, three times as many with HYPOTHESIS_PROFILE=nightly."""
    return settings(max_examples=FACTOR * number)
