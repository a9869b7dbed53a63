"""The order of the experts in the Concat variants."""

from itertools import permutations

from model.variants import concat_order


def test_concat_joins_the_experts_in_the_order_of_the_2019_release():
    """Published checkpoints have weights for this order; unknown experts follow in the given order."""
    release = ["face", "flow", "scene", "audio", "speech", "ocr", "rgb"]
    given = [*sorted([*release, "tags", "depth"])]
    assert [given[i] for i in concat_order(given)] == [*release, "depth", "tags"]
    for names in permutations(["audio", "rgb", "face"]):
        assert [names[i] for i in concat_order(names)] == ["face", "audio", "rgb"]
