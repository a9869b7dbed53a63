"""The commands that a finished training prints."""

from pathlib import Path

import pytest

from parse_config import ConfigParser
from trainer.next_steps import EXTRACTION, next_steps

CHECKPOINT = Path("data/saved/models/toy-ce/run/trained_model.pth")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def lines(config, device=None, page=Path("web")):
    first, *steps = next_steps(ConfigParser(config, "config"), CHECKPOINT, device, page).splitlines()
    assert first == "next:"
    return [step.strip() for step in steps]


def test_a_model_can_be_evaluated(config):
    assert lines(config) == [f"evaluate: python test.py --resume {CHECKPOINT}"]
    assert lines(config, device=1) == [f"evaluate: python test.py --resume {CHECKPOINT} --device 1"]


def test_a_collection_of_the_users_own_videos_can_be_searched(config):
    Path("data/Toy").mkdir(parents=True)
    Path("data/Toy", EXTRACTION).touch()
    _, search, serve = lines(config)
    assert search == f"search: python misc/search.py 'what you look for' --checkpoint {CHECKPOINT} --name Toy"
    assert serve == f"search in a browser: python misc/search.py serve --checkpoint {CHECKPOINT} --name Toy --open"
    Path("data/Toy").rename("data/moved here")
    config["data_loader"]["args"]["data_dir"] = "data/moved here"
    assert lines(config, device=0)[1].endswith("--name Toy --device 0 --data_dir 'data/moved here'")


def test_a_page_that_was_written_is_named(config):
    Path("web").mkdir()
    assert len(lines(config)) == 1
    Path("web/index.html").touch()
    assert lines(config)[1] == "open the ranking page: web/index.html"


def test_paths_outside_the_working_folder_are_allowed_by_the_command(config, tmp_path):
    config["data_loader"]["args"]["data_dir"] = f"{tmp_path.parent}/data/Toy"
    assert lines(config)[0].endswith(f"--set data_loader.args.data_dir={tmp_path.parent}/data/Toy")


def test_the_name_of_the_file_is_that_of_the_extraction():
    from misc.extraction.collection_files import EXTRACTION_RECORD

    assert EXTRACTION == EXTRACTION_RECORD
