"""Small video files."""

import pytest
from helpers import pyav_videos


@pytest.fixture
def write(tmp_path):
    """A function that writes a video file to the temporary folder."""
    return lambda name, *args, **options: pyav_videos.write(tmp_path / name, *args, **options)
