"""Names of both public releases."""

import pytest
import torch
from helpers.parity import Parity, Parity2020

from model.model import CENet
from model.published import load_published, load_weights
from utils.errors import InputError


def test_published_names_are_all_placed_or_known_to_be_unused():
    parity = Parity("ce")
    state = {name[3:]: x for name, x in parity.data.items() if name.startswith("sd/")}
    model = CENet(**parity.arguments)
    dropped = load_published(model, state, "state dict")
    prefixes = {name.split(".")[1] for name in dropped}
    assert prefixes == {f"{x}_reason_3" for x in "gf"} | {f"batch_norm_{x}{i}" for x in "gf" for i in (1, 2)}
    assert len(dropped) == 4 + 4 * 5
    with pytest.raises(InputError, match="lacks 'text_pooling.clusters'"):
        load_published(model, {name: x for name, x in state.items() if name != "text_pooling.clusters"}, "state dict")
    with pytest.raises(InputError, match="has the unexpected 'ce.extra'"):
        load_published(model, state | {"ce.extra": torch.zeros(1)}, "state dict")
    with pytest.raises(InputError, match=r"'moe_fc.bias' is \(4,\), expected \(3,\)"):
        load_published(model, state | {"ce.moe_fc.bias": torch.zeros(4)}, "state dict")


def test_weights_of_early_corrected_versions_that_were_never_used_are_dropped():
    parity = Parity2020("ce")
    early = {f"ce.{name}.weight": torch.zeros(2, 2) for name in ("moe_fc_bottleneck1", "moe_cg", "moe_fc_proj")}
    model = CENet(**parity.arguments)
    assert load_published(model, parity.state_dict() | early, "state dict") == list(early)


@pytest.mark.parametrize(("weights", "use_ce", "message"), [
    ("2019", "pairwise", "weights of the 2019 release, the config describes a corrected network"),
    ("2020", True, "weights of the corrected release, the config describes a network of 2019"),
])  # fmt: skip
def test_weights_of_the_other_release_are_refused_in_one_line(weights, use_ce, message):
    parity, parity_2020 = Parity("ce"), Parity2020("ce")
    state = {name[3:]: x for name, x in parity.data.items() if name.startswith("sd/")}
    state = state if weights == "2019" else parity_2020.state_dict()
    model = CENet(**(parity_2020.arguments | {"use_ce": use_ce}))
    with pytest.raises(InputError, match=f"^x.pth: {message}"):
        load_published(model, state, "x.pth")


def test_the_weights_of_a_model_of_another_class_have_no_release():
    state = {"state_dict": {"weight": torch.ones(3, 2), "bias": torch.ones(3)}, "config": {"arch": {"args": {"use_ce": ""}}}}
    model = torch.nn.Linear(2, 3)
    load_weights(model, state, "model.pth")
    assert model.weight.sum() == 6
