"""The training config that an extraction writes, and does not overwrite."""

import subprocess
from pathlib import Path

import pytest
from helpers.extraction import captions, film

from misc.extraction.training_config import make_training_config


def test_too_few_videos_for_training(extracted_tasks, extract):
    for i in range(3):
        film(f"{i}.mkv", i)
    captions("012")
    out, _ = extract("--captions", "captions.json")
    assert "too few for training" in out and not Path("configs").exists()
    assert out.endswith("next: python misc/search.py 'what you look for' --name Mine\n")


def test_an_existing_config_is_not_changed(eleven_videos, extract):
    captions(eleven_videos)
    extract("--captions", "captions.json")
    path = Path("configs/Mine/train-full-ce.json")
    made = path.read_bytes()
    assert "is not changed" not in extract("--captions", "captions.json")[0]
    path.write_text('{"mine": 1}')
    line = f"{path} exists, differs from the config for these videos and is not changed; "
    out, _ = extract("--captions", "captions.json")
    assert f"{line}delete it to get a new one\n" in out and "next: python misc/search.py" in out
    assert path.read_text() == '{"mine": 1}'
    path.with_name(".gitignore").unlink()  # as that of the project, which has none
    assert f"{line}choose another --name to get a config\n" in extract("--captions", "captions.json")[0]
    path.unlink()
    extract("--captions", "captions.json")
    assert path.read_bytes() == made


@pytest.mark.parametrize(("videos", "batch_size"), [(5, 5), (40, 8), (200, 20), (5000, 64)])
def test_a_batch_is_a_tenth_of_the_videos_but_from_8_to_64(videos, batch_size):
    splits = {"train": [str(i) for i in range(videos)]}
    config = make_training_config(
        "Mine", Path("data/Mine"), {"feat": "a", "dim": 3}, {"rgb": {"aggregation": "avg"}}, splits
    )
    assert config["data_loader"]["args"]["batch_size"] == batch_size


def test_generated_configs_are_ignored_by_git(extracted_tasks, extract):
    def untracked():
        return git("ls-files", "--others", "--exclude-standard", "configs").split()

    def git(*arguments):
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout

    published = ["configs/demo/train-full-ce.json", "configs/msrvtt/train-full-ce.json"]
    for path in published:
        Path(path).parent.mkdir(parents=True)
        Path(path).write_text("{}")
    git("init", "-q")
    git("add", "configs")
    captions([film(f"{i}.mkv", i).stem for i in range(5)])
    extract("--captions", "captions.json")
    assert Path("configs/Mine/train-full-ce.json").exists() and untracked() == []
    own = Path("configs/Mine/train-own.json")
    own.write_text("{}")
    assert untracked() == [str(own)]  # it is a person's
    own.unlink()
    Path("configs/Mine/.gitignore").unlink()  # as an older version left it
    assert untracked() == ["configs/Mine/train-full-ce.json"]
    extract("--captions", "captions.json")
    assert untracked() == [] and git("ls-files", "configs").split() == published
    Path("configs/Mine/train-full-ce.json").rename("configs/demo/other.json")
    Path("configs/Mine/.gitignore").unlink()
    Path("configs/demo").rename("configs/Mine/")  # with configs of somebody nothing is ignored
    extract("--captions", "captions.json")
    assert not Path("configs/Mine/.gitignore").exists()
