"""Moments of long videos in a collection, without an extraction."""

import json

import numpy as np

from misc.extraction.moments import Moments
from misc.extraction.moments_file import open_writer


def make_moments(times, features=None, words=None):
    """Return moments with features or words at [start, end] each, or at points in time."""
    spans = np.array([t if isinstance(t, tuple) else (t, t) for t in times], np.float32).reshape(-1, 2)
    return Moments(spans, None if features is None else np.asarray(features), words)


def write_moments(folder, videos, versions=None):
    """Write the moments of videos, id -> (length, expert -> moments), and versions of all videos."""
    with open_writer(folder) as writer:
        for video, (length, moments) in videos.items():
            writer.add(video, length, moments)
    if versions is not None:
        (folder / "versions.json").write_text(json.dumps(versions))
