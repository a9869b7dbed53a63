"""The widths of text features."""

import json

import pytest
from helpers.paths import shared

from data_loader.text_encoders import TEXT_DIMS, resolve_text_dim
from utils.errors import InputError


def section(feat, **more):
    return {"experts": {"text_feat": feat, **more}, "data_loader": {"args": {"root_feat_folder": "x"}}}


def test_the_table_is_the_published_one():
    content = json.loads(shared("published-configs-2020", "model", "text_embedding_models.json").read_text())
    assert {name: entry["dim"] for name, entry in content.items()} == TEXT_DIMS


def test_the_corrected_release_takes_the_table_and_2019_the_config():
    config = section("gpt2-xl-finetune", text_dim=300)
    assert resolve_text_dim(config) == 1600
    del config["data_loader"]["args"]["root_feat_folder"]
    assert resolve_text_dim(config) == 300
    assert resolve_text_dim(section("mine", text_dim=12)) == 12
    with pytest.raises(InputError, match="^experts.text_dim: missing, 'mine' is not one of the text features"):
        resolve_text_dim(section("mine"))
