"""Invalid arguments of an extraction."""

from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "0"], "--workers 0, --timeout 1800: expected numbers above 0"),
        (["--timeout", "nan"], "--timeout nan: expected numbers above 0"),
        (["--timeout", "inf"], "--timeout inf: expected numbers above 0"),
        (["--split", "80/20"], "--split 80/20: expected the shares of train, val and test"),
        (["--splits", "splits"], "--splits: expected --captions with it"),
        (["--address", "auto"], "--address: expected --engine ray with it"),
        (
            ["--experts", "scene,sene"],
            "--experts scene,sene: no 'sene' in config.json, expected some of scene, audio, reader",
        ),
        (["--captions", "nowhere.csv"], "nowhere.csv: not found, expected captions"),
        (["--data_dir", "clips/out"], "--data_dir clips/out: in the folder of videos, expected another place"),
        (["--data_dir", "config.json"], "config.json: File exists"),
        (["--config", "nowhere.json"], "nowhere.json: not found, expected the config of an extraction"),
    ],
)
def test_invalid_arguments_are_one_line(eleven_videos, refused_extraction, arguments, message):
    assert message in refused_extraction(*arguments)
    assert not Path("data").exists()


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "MSRVTT", "lsmdc", "a\n"])
def test_invalid_names_of_collections(eleven_videos, refused_extraction, name):
    assert "expected letters, digits, _ and -, and not a published dataset" in refused_extraction(name=name)


def test_invalid_folders(eleven_videos, refused_extraction):
    for videos, found in (("nowhere", "no such folder"), ("clips/a.mkv", "a file")):
        assert f"{videos}: {found}, expected a folder with video files" in refused_extraction(videos=videos)
