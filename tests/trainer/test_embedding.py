"""Embeddings of captions in memory and in a file, made in chunks."""

import functools
import tempfile
from pathlib import Path

import pytest
import torch
from helpers.model_variants import make_batch, make_model
from helpers.tensor_sizes import LargestTensor

from model.similarity import TextEmbedding
from trainer import embedding
from trainer.embedding import TextStore
from utils.errors import InputError

CPU = torch.device("cpu")


def texts(seed, count, dims=(3, 5)):
    rng = torch.Generator().manual_seed(seed)
    return TextEmbedding([torch.randn(count, dim, generator=rng) for dim in dims], torch.rand(count, 2, generator=rng))


def test_captions_in_a_file_are_those_in_memory():
    in_memory, in_file = TextStore(1 << 20), TextStore(100)
    for seed, count in enumerate((2, 4, 1)):
        for store in (in_memory, in_file):
            store.append(texts(seed, count))
        for start, stop in ((0, 1), (1, 2 + seed)):  # between two writes
            expected, found = (store.read(start, stop, CPU) for store in (in_memory, in_file))
            torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert in_file.width == 8 and in_file._memory == [] and in_memory._file is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_under_the_captions_is_one_line(monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", functools.partial(Path("/dev/full").open, "wb"))
    with pytest.raises(InputError, match=rf"^{tempfile.gettempdir()}: No space left on device .96 Bytes were needed"):
        TextStore(0).append(texts(0, 3))


def test_captions_are_embedded_in_chunks_that_fit_into_memory():
    model, batch, max_bytes = make_model("ce"), make_batch(0, 3, 50, words=9), 20_000
    chunks = list(embedding._chunk_captions(model, batch["text"], batch["word_mask"], max_bytes))
    for i, name in enumerate(("text", "word_mask")):
        assert torch.equal(torch.cat([chunk[i] for chunk in chunks], dim=1), batch[name].flatten(0, 1)[None])
    with LargestTensor() as largest:
        for chunk in chunks:
            model.embed_text(*chunk)
    assert largest.most <= max_bytes < batch["text"].nbytes
