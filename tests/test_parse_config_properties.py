"""`--set` sets one value of a config, of the type that its JSON has, and nothing else."""

import copy
import json

from helpers.properties import examples
from helpers.toy_archive import CONFIG
from hypothesis import given
from hypothesis import strategies as st

from parse_config import ConfigParser

NAMES = st.text("aé=.,1 -", min_size=1)  # "1" alone is a number, unless it is quoted
# Valid values of some keys, of every type; a later one may set a part of what an earlier one has set.
VALUES = {
    "seed": st.integers(0, 2**64 - 1),
    "disable_nan_checks": st.booleans(),
    "optimizer.type": st.sampled_from(["Adam", "AdamW"]),
    "optimizer.args": st.fixed_dictionaries({"lr": st.floats(1e-9, 1)}, optional={"amsgrad": st.booleans()}),
    "optimizer.args.lr": st.floats(0, 1e30, allow_nan=False),
    "optimizer.args.amsgrad": st.booleans(),
    "optimizer.args.betas": st.lists(st.floats(0, 0.999), min_size=2, max_size=2),
    "loss.args.margin": st.floats(0, 1),
    "trainer.epochs": st.integers(1, 100),
    "trainer.monitor": st.sampled_from(["off", "min loss", "max epoch"]),
    "trainer.save_dir": NAMES,
    "data_loader.args.dataset_name": NAMES,
    "data_loader.args.max_text_words": st.integers(1, 50),
    "experts.drop_feats": st.just("") | NAMES,
    "experts.modalities": st.lists(st.sampled_from(["rgb", "audio", "é"]), min_size=1, unique=True),
    "experts.rgb.may_be_missing": st.booleans(),
    "experts.tags": st.fixed_dictionaries({"dim": st.integers(1, 9)}, optional={"kind": st.sampled_from(["vector"])}),
    "experts.tags.dim": st.integers(1, 9),
    "arch.args.vlad_clusters.ocr": st.integers(1, 9),
}
OVERRIDES = st.sampled_from(sorted(VALUES)).flatmap(lambda path: st.tuples(st.just(path), VALUES[path], st.booleans()))


def as_argument(path, value, bare):
    """Return an override as it is typed; a string may do without quotes if it is not itself JSON."""
    if isinstance(value, str) and bare:
        try:
            json.loads(value)
        except ValueError:
            return f"{path}={value}"
    return f"{path}={json.dumps(value)}"


def as_json(value):
    """Return a text that tells 1, 1.0 and true apart, but not orders of keys."""
    return json.dumps(value, sort_keys=True)


def section_of(config, path):
    """Return the object at all but the last key of a path, which is made if it is missing, and the last key."""
    *parents, last = path.split(".")
    for key in parents:
        config = config.setdefault(key, {})
    return config, last


def set_value(config, path, value):
    section, key = section_of(config, path)
    section[key] = value


@given(overrides=st.lists(OVERRIDES, max_size=6), later=st.lists(OVERRIDES, max_size=2))
@examples(60)
def test_overrides_set_their_values_in_their_order_and_nothing_else(overrides, later):
    source, expected = copy.deepcopy(CONFIG), copy.deepcopy(CONFIG)
    parser = ConfigParser(source, "c", [as_argument(*override) for override in overrides])
    for path, value, _ in overrides:
        set_value(expected, path, copy.deepcopy(value))
    assert source == CONFIG
    assert as_json(parser.as_dict()) == as_json(ConfigParser(expected, "c").as_dict())
    for path, value, _ in overrides[-1:]:
        section, key = section_of(parser.as_dict(), path)
        assert as_json(section[key]) == as_json(value)
    before = copy.deepcopy(parser.as_dict())
    changed = parser.with_overrides([as_argument(*override) for override in later])
    expected = parser.as_dict()
    for path, value, _ in later:
        set_value(expected, path, copy.deepcopy(value))
    assert as_json(changed.as_dict()) == as_json(ConfigParser(expected, "c").as_dict())
    set_value(parser.as_dict(), "trainer.epochs", 999)  # a copy
    assert parser.as_dict() == before
