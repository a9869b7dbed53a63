"""Inheritance of configs is a merge of nested objects, in which a later file overrides an earlier one."""

import copy
import json
from pathlib import Path

import pytest
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from base.config_files import merge, read_config

KEYS = st.sampled_from(["type", "args", "lr", "x", "experts"])
SCALARS = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["Adam", "SGD", "", "a,b"])
VALUES = SCALARS | st.lists(SCALARS | st.dictionaries(KEYS, SCALARS, max_size=2), max_size=2)
# Objects with a type and arguments are frequent, since only they are not merged key by key.
TYPED = st.fixed_dictionaries({"type": st.sampled_from(["Adam", "SGD"])}, optional={"args": st.dictionaries(KEYS, SCALARS)})
CONFIGS = st.dictionaries(
    KEYS, st.recursive(VALUES | TYPED, lambda inner: st.dictionaries(KEYS, inner | TYPED, max_size=4), max_leaves=8)
)


def paths_of(config):
    """Return the paths of all objects and of all other values, the outer ones first."""
    paths, left = [], [()]
    while left:
        path = left.pop(0)
        paths.append(path)
        value = value_at(config, path)
        left += [(*path, key) for key in value] if isinstance(value, dict) else []
    return paths


def value_at(config, path):
    for key in path:
        config = config[key]
    return config


def written_over(parent, child):
    """Return a copy of `parent` in which the values of `child` are set one by one."""
    result = copy.deepcopy(parent)
    for path in paths_of(child):
        value = value_at(child, path)
        if not path:
            before = result
        else:
            section = value_at(result, path[:-1])
            before = section.get(path[-1])
            if not (isinstance(before, dict) and isinstance(value, dict)):
                section[path[-1]] = {} if isinstance(value, dict) else value  # its keys follow
                continue
        if "type" in value and value["type"] != before.get("type"):
            before.pop("args", None)  # they are those of another class
    return result


@given(parent=CONFIGS, child=CONFIGS)
@examples(200)
def test_a_merge_sets_the_values_of_the_child_one_by_one(parent, child):
    before = copy.deepcopy((parent, child))
    assert merge(parent, child) == written_over(parent, child)
    assert (parent, child) == before


@given(
    configs=st.lists(CONFIGS, min_size=1, max_size=6),
    parents=st.lists(st.lists(st.integers(0, 10), max_size=3), min_size=6, max_size=6),
)
@examples(100)
def test_a_file_overrides_the_files_that_it_inherits_from_in_their_order(tmp_path_factory, configs, parents):
    """Each file inherits from earlier ones, some of them twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("configs"))
        expected = []
        for number, config in enumerate(configs):
            ancestors = [parent % number for parent in parents[number]] if number else []
            merged = {}
            for ancestor in ancestors:
                merged = written_over(merged, expected[ancestor])
            expected.append(written_over(merged, config))
            inherited = {"inherit_from": ",".join(f"{ancestor}.json" for ancestor in ancestors)} if ancestors else {}
            Path(f"{number}.json").write_text(json.dumps({**config, **inherited}))
            assert read_config(Path(f"{number}.json")) == expected[number]
