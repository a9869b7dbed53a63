"""Equal captions of different videos in a training batch."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def caption_labels(batch: Mapping[str, Any]) -> Tensor:
    """Return a number for the only caption of each of B videos, (B,) int64: the same for equal captions, in any process.

    Captions are equal if their texts are, or, where the text is unknown, their word vectors as the model gets them. The
    numbers are hashes of 64 bits, so that the processes of a training need not exchange texts.

    Args:
        batch: a batch of `data_loader.dataset.Collate` with one caption per video.
    """
    labels = []
    for (text,), words, mask in zip(batch["raw_captions"], batch["text"], batch["word_mask"], strict=True):
        content = b"text" + text.encode() if text else b"words" + words[mask].numpy().tobytes()
        labels.append(int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little", signed=True))
    return torch.tensor(labels)
