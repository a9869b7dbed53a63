"""Video files made by ffmpeg, and the similarity of the features of two files."""

import functools
import shutil
import subprocess

import numpy as np
import pytest

from misc.extractors.extractor import ExtractorContext, build_extractor
from misc.video_reading.media import Sampling
from misc.video_reading.reader import read_video

SAMPLING = Sampling(rate=8, max_frames=160, max_side=480, max_seconds=600)
SAME = 0.97  # minimum cosine of the features of two files with the same content


def ffmpeg(*arguments):
    """Run ffmpeg; skip the test if it is not installed."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@functools.cache
def load_extractor(expert):
    """Return an extractor that recognizes no words."""
    return build_extractor(expert, {}, ExtractorContext("cpu", None))


def features(media, expert):
    """Return the mean features of media, (D,)."""
    return load_extractor(expert)(media).features.mean(axis=0)


def similarity(path, clean, expert):
    """Return the cosine of the mean features of two files."""
    a, b = (features(read_video(x, SAMPLING), expert) for x in (path, clean))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
