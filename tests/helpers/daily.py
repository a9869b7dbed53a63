"""Parts of long lists of independent cases: a nightly run takes another part each day, with NIGHTLY_ALL=1 all of them.

NIGHTLY_DAY, the ordinal of a date, repeats the parts of that day.
"""

import datetime
import os
from collections.abc import Iterable

import pytest

MAX_PARTS = 14  # within so many days each case is taken
# Stored, so that processes which start before and after midnight take the same part.
DAY = int(os.environ.setdefault("NIGHTLY_DAY", str(datetime.date.today().toordinal())))


def cases_of_today(cases: Iterable, parts: int, day: int = DAY) -> list:
    """Return every `parts`-th case, of which `parts` days in a row take all; all cases with NIGHTLY_ALL=1."""
    assert 1 < parts <= MAX_PARTS
    return list(cases) if os.environ.get("NIGHTLY_ALL") else list(cases)[day % parts :: parts]


def on_days(parts: int, number: int, day: int = DAY) -> pytest.MarkDecorator:
    """Return the mark of tests that run on every `parts`-th day only, day `number` of 0 to `parts` - 1."""
    assert 1 < parts <= MAX_PARTS and 0 <= number < parts
    other_day = not os.environ.get("NIGHTLY_ALL") and day % parts != number
    return pytest.mark.skipif(other_day, reason=f"runs every {parts} days, today others do (NIGHTLY_ALL=1: all)")
