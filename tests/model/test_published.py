"""Names of the 2019 release."""

import pytest
import torch
from helpers.parity import Parity

from model.model import CENet
from model.published import load_published
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
