"""Weights of another model, compared with a copy by hand for each pair of experts."""

import copy

import pytest
import torch
from helpers.model_variants import CLUSTERS, DIMS, SWITCHES, TEXT_DIM, make_batch, make_model, similarities

from model.model import CENet
from model.transfer import take_weights


def make(names, seed, text_clusters=2, dim=6, **switches):
    """Return a CE of some experts, in evaluation mode."""
    torch.manual_seed(seed)
    dims = {name: (DIMS[name], dim) for name in names}
    clusters = CLUSTERS | {"text": text_clusters}
    return CENet(expert_dims=dims, text_dim=TEXT_DIM, vlad_clusters=clusters, **({"use_ce": True} | switches)).eval()


@pytest.mark.parametrize("variant", SWITCHES)
def test_a_model_of_the_same_config_becomes_the_other_one(variant):
    model, source = make_model(variant, seed=1), make_model(variant, seed=2)
    batch = make_batch(0, 4, 2)
    before = copy.deepcopy(source.state_dict())
    found = take_weights(model, source)
    assert found.misfits == found.new == found.unused == []
    for name, x in model.state_dict().items():
        assert torch.equal(x, before[name]), name
    assert found.num_values >= sum(x.numel() for x in before.values()) and found.num_matrices
    if variant != "moee-randomised":
        assert torch.equal(similarities(model, batch), similarities(source, batch))
    model.state_dict()["text_pooling.clusters"].zero_()
    assert source.state_dict()["text_pooling.clusters"].any()  # copied, not shared


def test_the_weights_of_an_expert_go_to_the_expert_of_its_name():
    """The ranks of all experts but the first differ, and all embeddings have the same shape."""
    model, source = make(["audio", "rgb", "speech"], 1), make(["audio", "face", "speech"], 2)
    before, theirs = copy.deepcopy(model.state_dict()), source.state_dict()
    found = take_weights(model, source)
    ours = model.state_dict()
    ranks = {"audio": (0, 0), "speech": (2, 2), "rgb": (1, None)}
    for own, other in ranks.values():
        parts = ("text_units", "video_dim_reduce", "collaborative_gating.modulation", "pooling")
        for name in [name for name in ours if name.startswith(tuple(f"{part}.{own}." for part in parts))]:
            expected = before[name] if other is None else theirs[name.replace(f".{own}.", f".{other}.", 1)]
            assert torch.equal(ours[name], expected), name
        for name in ("moe_fc.weight", "moe_fc.bias"):
            assert torch.equal(ours[name][own], before[name][own] if other is None else theirs[name][other])
    for name in ("text_pooling.clusters", "collaborative_gating.g1.weight", "collaborative_gating.h2.bias"):
        assert torch.equal(ours[name], theirs[name]) and name in found.taken
    assert all(".rgb." in name for name in found.new) and all(".face." in name for name in found.unused)
    assert len(found.new) == len(found.unused) > 10 and not found.misfits


def test_moved_ranks():
    """An expert fewer at the start moves all others by one."""
    model, source = make(["face", "rgb"], 1), make(["audio", "face", "rgb"], 2)
    found = take_weights(model, source)
    assert found.new == found.misfits == []
    for own, other in ((0, 1), (1, 2)):
        ours, theirs = model.state_dict()[f"text_units.{own}.fc.bias"], source.state_dict()[f"text_units.{other}.fc.bias"]
        assert torch.equal(ours, theirs)


def test_a_layer_is_taken_whole_or_not_at_all():
    """Other text clusters change the input of text units and mixture weights, but not the shape of their biases."""
    model, source = make(["face", "rgb"], 1, text_clusters=3), make(["face", "rgb"], 2)
    before = copy.deepcopy(model.state_dict())
    found = take_weights(model, source)
    for name in ("moe_fc.weight", "moe_fc.bias", "text_units.0.fc.weight", "text_units.0.fc.bias", "text_pooling.clusters"):
        assert torch.equal(model.state_dict()[name], before[name]), name
    assert torch.equal(model.state_dict()["text_units.1.cg.fc.weight"], source.state_dict()["text_units.1.cg.fc.weight"])
    assert "text_units.rgb.fc.bias" in found.misfits
    assert f"text_units.rgb.fc.weight (6, {2 * TEXT_DIM}), expected (6, {3 * TEXT_DIM})" in found.misfits
    assert not {x.partition(" ")[0] for x in found.misfits} & set(found.taken)


def test_no_matrix_fits_a_model_of_other_dims():
    model, source = make(["face"], 1, 3, 4, use_ce=False, mimic_ce_dims=True), make(["rgb", "speech"], 2)
    found = take_weights(model, source)
    assert found.num_matrices == 0 and not found.taken


@pytest.mark.parametrize("other", [["audio", "speech"], ["audio", "face"]])
def test_joined_experts_are_those_of_the_same_experts_only(other):
    """In Concat the only unit is that of all experts, at the place of the first."""
    switches = {"use_ce": False, "concat_mix_experts": True}
    model, source = make(["audio", "face"], 1, **switches), make(other, 2, **switches)
    found = take_weights(model, source)
    assert any(name.startswith("video_units.") for name in found.taken) == (other == ["audio", "face"])
    assert "pooling.audio.clusters" in found.taken
