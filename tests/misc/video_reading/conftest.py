"""Small video files."""

import pytest
from helpers import clips


@pytest.fixture
def write(tmp_path):
    """A function that writes a video file to the temporary folder."""
    return lambda name, *args, **options: clips.write(tmp_path / name, *args, **options)
