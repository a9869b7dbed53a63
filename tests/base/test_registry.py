"""Classes that configs name: where they are looked up, and how their arguments are checked."""

import sys
from typing import Annotated, Literal

import pydantic
import pytest
from torch import nn

import model
from base.registry import complete_arguments, find
from model.loss import MaxMarginRankingLoss
from utils.errors import InputError

MODULE = """
from torch import nn
from torch.nn import MSELoss
from model.loss import MaxMarginRankingLoss
from model.model import CENet

class TripletLoss(nn.Module): ...
class _HiddenLoss(nn.Module): ...
class PlainLoss: ...
class Triplet(nn.Module): ...
class OtherNet(nn.Module):
    forward = embed_text = embed_video = score = lambda self: None
class SmallCENet(CENet): ...
def count_metrics(sims, query_masks=None): return {"count": float(len(sims))}
"""


@pytest.fixture
def add_module(tmp_path, monkeypatch):
    """Return a function that adds a module to the package `model`."""
    monkeypatch.setattr(model, "__path__", [*model.__path__, str(tmp_path)])
    before = set(sys.modules)

    def add(name, content=MODULE):
        (tmp_path / f"{name}.py").write_text(content)

    yield add
    for name in set(sys.modules) - before:
        del sys.modules[name]
        if name.startswith("model."):
            delattr(model, name.partition(".")[2])


def test_a_class_is_found_in_any_module_of_the_package(add_module):
    add_module("my_losses")
    assert find("loss", "TripletLoss").__module__ == "model.my_losses"
    assert find("metrics", "count_metrics")([1]) == {"count": 1}
    assert find("loss", "MaxMarginRankingLoss") is MaxMarginRankingLoss


@pytest.mark.parametrize(
    "name", ["MSELoss", "_HiddenLoss", "PlainLoss", "Triplet", "nn", "my_losses.TripletLoss", "torch.nn.MSELoss", "os", ""]
)
def test_nothing_else_is_found(add_module, name):
    """Imported names, private names, names that are not losses, and dotted paths are not found."""
    add_module("my_losses")
    with pytest.raises(InputError, match=r"^loss.type: found '.*', no loss of that name in model/, (did|exp)"):
        find("loss", name)


def test_a_model_inherits_from_cenet(add_module):
    add_module("my_models")
    assert issubclass(find("arch", "SmallCENet"), find("arch", "CENet"))
    with pytest.raises(InputError, match=r"^arch.type: found 'OtherNet', no model of that name in model/, "):
        find("arch", "OtherNet")


def test_a_name_that_is_defined_twice_is_ambiguous(add_module):
    add_module("my_losses")
    add_module("other_losses")
    with pytest.raises(InputError, match=r"^loss.type: 'TripletLoss' is defined in model.my_losses and model.other_losses,"):
        find("loss", "TripletLoss")


class Parent(nn.Module):
    def __init__(self, size: Annotated[int, pydantic.Field(gt=0)], betas: tuple[float, float] = (0.9, 0.99)):
        super().__init__()


class Child(Parent):
    def __init__(self, *args, mode: Literal["a", "b"] = "a", rate=0.5, width: int | Literal["auto"] = "auto", **kwargs):
        super().__init__(*args, **kwargs)


def test_defaults_are_those_of_the_class_and_of_its_parents():
    expected = {"mode": "a", "rate": 0.5, "width": "auto", "size": 3, "betas": [0.9, 0.99]}
    assert complete_arguments("loss", Child, {"size": 3}) == expected
    assert complete_arguments("loss", Child, {"size": 3, "betas": [0, 1.0]})["betas"] == [0, 1.0]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "size: missing, expected a value"),
        ({"size": 0}, "size: found 0, input should be greater than 0"),
        ({"size": "3"}, "size: found '3', input should be a valid integer"),
        ({"size": True}, "size: found True, input should be a valid integer"),
        ({"size": 3, "mode": "c"}, "mode: found 'c', input should be 'a' or 'b'"),
        ({"size": 3, "rate": "fast"}, "rate: found 'fast', input should be a valid number"),
        ({"size": 3, "rate": float("nan")}, "rate: found nan, input should be a finite number"),
        ({"size": 3, "width": "wide"}, "width: found 'wide', input should be a valid integer or input should be 'auto'"),
        ({"size": 3, "betas": [0.5]}, "betas.1: missing, expected a value"),
        ({"size": 3, "betas": [0.5, "x"]}, "betas.1: found 'x', input should be a valid number"),
        ({"size": 3, "raet": 1}, "raet: unknown key of Child, did you mean 'rate'?"),
        ({"size": 3, "self": 1}, "self: unknown key of Child"),
        ({"size": 3, "kwargs": {}}, "kwargs: unknown key of Child"),
    ],
)
def test_wrong_arguments_are_one_line_with_the_key(args, message):
    with pytest.raises(InputError) as caught:
        complete_arguments("loss", Child, args)
    assert str(caught.value).startswith(f"loss.args.{message}")


def test_what_the_project_passes_is_not_for_configs():
    with pytest.raises(InputError, match=r"^arch.args.text_dim: unknown key of CENet"):
        complete_arguments("arch", find("arch", "CENet"), {"vlad_clusters": {"text": 1}, "text_dim": 3})
