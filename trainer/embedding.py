"""Embeddings of a split: all videos in memory, and all captions in memory or in a temporary file."""

import sys
import tempfile
import weakref
from collections.abc import Collection, Iterator, Mapping
from typing import IO, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from base.device import to_device
from model.model import CENet
from model.similarity import TextEmbedding, VideoEmbedding
from trainer.distributed import gather_round_robin, is_main_process
from utils.files import explain_full_disk

MIB = 1 << 20
FLOAT32_BYTES = 4
# Upper bounds on the number of arrays that exist at the same time while captions are embedded: of the size of the words and
# of the pooled words.
WORD_ARRAYS, POOLED_ARRAYS = 2, 6


class EmbeddedBatch(NamedTuple):
    """The embeddings of B videos with K captions each, the captions in chunks, and what identifies them."""

    texts: list[TextEmbedding]
    video: VideoEmbedding
    caption_mask: Tensor  # (B, K), true for captions that exist
    available: Tensor  # (B, M), as in the data; `video.available` is what the score uses: joined in Concat, or all 1
    ids: list[str]
    raw_captions: list[list[str]]


class TextStore:
    """The embeddings of a growing list of captions, in a temporary file if they need more than `max_bytes` of memory.

    Their mixture weights are always in memory.
    """

    def __init__(self, max_bytes: int):
        self.max_bytes = max_bytes
        self.width = 0  # the sum of the dimensions of all experts' embeddings
        self._dims: list[int] = []
        self._memory: list[Tensor] = []
        self._file: IO[bytes] | None = None
        self._weights: list[Tensor] = []

    def append(self, text: TextEmbedding) -> None:
        """Add the embeddings of further captions; raise an `InputError` if the disk has no space for them."""
        self._dims = [x.shape[1] for x in text.experts]
        self.width = sum(self._dims)
        self._weights.append(text.weights)
        self._memory.append(torch.cat(text.experts, dim=1))
        size = sum(x.nbytes for x in self._memory)
        if self._file is not None or size > self.max_bytes:
            with explain_full_disk(size):
                if self._file is None:
                    self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as the store exists
                    weakref.finalize(self, self._file.close)
                for x in self._memory:
                    rest = memoryview(x.float().cpu().numpy()).cast("B")
                    while rest:  # the system may write in parts
                        rest = rest[self._file.write(rest) :]
            self._memory = []

    @property
    def weights(self) -> Tensor:
        """The mixture weights (T, M) of all captions."""
        if len(self._weights) > 1:
            self._weights = [torch.cat(self._weights)]
        return self._weights[0]

    def read(self, start: int, stop: int, device: torch.device) -> TextEmbedding:
        """Return captions `start` to `stop` (exclusive), on `device`."""
        if self._file is not None:
            offset = start * self.width * FLOAT32_BYTES
            rows = np.memmap(self._file, np.float32, "r", offset, shape=(stop - start, self.width))
            x = torch.from_numpy(np.array(rows)).to(device)  # a copy, after which no page of the file stays mapped
        else:
            if len(self._memory) > 1:
                self._memory = [torch.cat(self._memory)]
            x = self._memory[0][start:stop]
        return TextEmbedding(list(x.split(self._dims, dim=1)), self.weights[start:stop])


class SplitEmbeddings(NamedTuple):
    """The embeddings of V videos with K captions each, and what identifies them."""

    texts: TextStore
    video: VideoEmbedding
    caption_mask: Tensor  # (V, K), true for captions that exist
    available: Tensor  # (V, M), as in `EmbeddedBatch`
    ids: list[str]
    raw_captions: list[list[str]]


@torch.inference_mode()
def embed_split(model: CENet, batches: Collection[Mapping], device: torch.device, memory: int) -> SplitEmbeddings | None:
    """Embed all batches of a split; return None in all processes except the main one.

    The arguments are those of `trainer.evaluation.evaluate`.
    """
    model.eval()
    chunk_bytes = chunk_bytes_of(memory)
    texts = TextStore(chunk_bytes)
    embedded: list[EmbeddedBatch] = []
    for batch in gather_round_robin(_embed_batches(model, batches, device, chunk_bytes), device):
        for text in batch.texts:
            texts.append(text)
        embedded.append(batch._replace(texts=[]))
    model.raise_if_nan()  # on a GPU, nothing was checked so far
    if not is_main_process():
        return None
    experts = [torch.cat(parts) for parts in zip(*(batch.video.experts for batch in embedded), strict=True)]
    return SplitEmbeddings(
        texts,
        VideoEmbedding(experts, torch.cat([batch.video.available for batch in embedded])),
        torch.cat([batch.caption_mask for batch in embedded]),
        torch.cat([batch.available for batch in embedded]),
        [name for batch in embedded for name in batch.ids],
        [captions for batch in embedded for captions in batch.raw_captions],
    )


def chunk_bytes_of(memory: int) -> int:
    """Return the bytes of a chunk, of `memory` MiB: one for the texts, one in progress, two for the similarities."""
    return memory * MIB // 4


def _embed_batches(
    model: CENet, batches: Collection[Mapping], device: torch.device, max_bytes: int
) -> Iterator[EmbeddedBatch]:
    """Embed each batch, with its captions in chunks that need at most `max_bytes`."""
    with tqdm(total=len(batches), desc="evaluation", leave=False, disable=not sys.stdout.isatty()) as bar:
        for batch in batches:
            inputs = to_device(batch, device)
            chunks = _chunk_captions(model, inputs["text"], inputs["word_mask"], max_bytes)
            embedded = EmbeddedBatch(
                [model.embed_text(*chunk) for chunk in chunks],
                model.embed_video(inputs["experts"], inputs["ind"], inputs["frame_masks"]),
                inputs["word_mask"].any(dim=-1),
                torch.stack([inputs["ind"][name] for name in model.modalities], dim=1),
                batch["ids"],
                batch["raw_captions"],
            )
            del batch, inputs, chunks  # free the words before the next batch is read
            yield embedded
            del embedded
            bar.update()


def _chunk_captions(model: CENet, text: Tensor, word_mask: Tensor, max_bytes: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Split the captions of a batch into chunks (1, n, W, text_dim) and (1, n, W) that need at most `max_bytes` to embed.

    All chunks are of about the same size: matrix products of few rows are slow and round differently from those of many.
    """
    text, word_mask = text.flatten(0, 1), word_mask.flatten(0, 1)
    numbers = WORD_ARRAYS * text[0].numel() + POOLED_ARRAYS * model.pooled_text_dim  # per caption
    num_chunks = count_chunks(len(text), max_bytes // (numbers * text.element_size()))
    for words, mask in zip(text.tensor_split(num_chunks), word_mask.tensor_split(num_chunks), strict=True):
        yield words[None], mask[None]


def count_chunks(count: int, chunk_size: int) -> int:
    """Return the number of chunks for `count` items, of at most `chunk_size` items each, or of one if that is less."""
    return -(-count // max(1, chunk_size))
