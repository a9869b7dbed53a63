"""Equal captions of a batch: by their texts or, where these are unknown, by their words."""

import subprocess
import sys

import torch
from helpers.paths import ROOT

from data_loader.duplicates import caption_labels


def make_batch(texts, words, padding=0):
    """Return a batch of captions, given as texts ("": unknown) and as numbers of words, which stand for their vectors."""
    length = max(map(len, words)) + padding
    text, mask = torch.zeros(len(words), 1, length, 3), torch.zeros(len(words), 1, length, dtype=torch.bool)
    for i, caption in enumerate(words):
        text[i, 0, : len(caption)] = torch.tensor(caption, dtype=torch.float32)[:, None] * torch.tensor([1.0, 0.5, -2.0])
        mask[i, 0, : len(caption)] = True
    return {"raw_captions": [[x] for x in texts], "text": text, "word_mask": mask}


def equal_pairs(labels):
    return [(i, j) for i in range(len(labels)) for j in range(i) if labels[i] == labels[j]]


def test_known_texts_decide_whatever_the_words_are():
    """Words may be equal because captions were cut, or differ because a caption has lost some."""
    labels = caption_labels(make_batch(["a cat", "a dog", "a cat", "A cat"], [[1, 2], [1, 2], [1], [1, 2]]))
    assert labels.dtype == torch.int64 and equal_pairs(labels) == [(2, 0)]


def test_unknown_texts_are_compared_by_their_words_without_padding():
    words = [[1, 2], [2, 1], [1, 2], [1, 2, 3], [1], [1, 2]]
    texts = ["", "", "", "", "", "a cat"]
    labels = caption_labels(make_batch(texts, words))
    assert equal_pairs(labels) == [(2, 0)]
    assert torch.equal(caption_labels(make_batch(texts, words, padding=4)), labels)


def test_other_processes_give_the_same_numbers():
    """Python's own hashes of texts differ between processes."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + (
        "import torch; from data_loader.duplicates import caption_labels\n"
        "batch = {'raw_captions': [['a cat']], 'text': torch.zeros(1, 1, 1, 3), 'word_mask': torch.ones(1, 1, 1) > 0}\n"
        "print(caption_labels(batch).item())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == caption_labels(make_batch(["a cat"], [[1]])).item()
