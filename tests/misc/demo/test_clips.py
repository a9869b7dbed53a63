"""The content of clips of the Demo."""

import dataclasses

import numpy as np

from misc.demo.clips import ATTRIBUTES, FAMILY, PERSON, plan_clips


def test_members_of_a_family_differ_from_the_first_in_one_attribute_each():
    clips = plan_clips(200, 3)
    for start in range(0, 200, FAMILY):
        first = dataclasses.asdict(clips[start])
        changed = []
        for clip in clips[start + 1 : start + FAMILY]:
            other = dataclasses.asdict(clip)
            changed += [name for name in first if first[name] != other[name] and name != "seed"]
            assert other["seed"] != first["seed"]
        assert len(changed) == len(set(changed)) == FAMILY - 1
        assert first["hair"] or not set(PERSON) & set(changed)  # they could not be seen


def test_attributes_have_their_shares():
    clips = plan_clips(2000, 0)
    for name, (values, share) in ATTRIBUTES.items():
        found = [getattr(clip, name) for clip in clips]
        assert set(found) - {None} == set(values)
        assert abs(np.mean([x is not None for x in found]) - share) < 0.1
