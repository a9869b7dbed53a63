"""The replacement of torchvision operations, compared with a naive loop."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from misc.extractors.pretrained.torchvision_import import batched_nms

BOX = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 8)] * 2)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(BOX, st.integers(0, 9), st.integers(0, 2)), max_size=12),
    st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]),
)
def test_suppression_of_overlapping_boxes(entries, max_overlap):
    """Compare with a loop from the best box on: a box is dropped if a better one of its class overlaps it by more."""
    boxes = torch.tensor([(x, y, x + w, y + h) for (x, y, w, h), _, _ in entries], dtype=torch.float32).reshape(-1, 4)
    scores = torch.tensor([score / 10 for _, score, _ in entries])
    classes = torch.tensor([kind for _, _, kind in entries])

    def overlap(a, b):
        (ax, ay, aw, ah), (bx, by, bw, bh) = entries[a][0], entries[b][0]
        common = max(0, min(ax + aw, bx + bw) - max(ax, bx)) * max(0, min(ay + ah, by + bh) - max(ay, by))
        return np.float32(common) / np.float32(aw * ah + bw * bh - common)

    kept = []
    for i in sorted(range(len(entries)), key=lambda i: -entries[i][1]):
        if all(entries[i][2] != entries[j][2] or overlap(i, j) <= np.float32(max_overlap) for j in kept):
            kept.append(i)
    assert batched_nms(boxes, scores, classes, max_overlap).tolist() == kept
