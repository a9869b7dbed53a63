"""The embeddings of the captions of a split, until all of its videos are known."""

import torch
from torch import Tensor

from model.similarity import TextEmbedding
from utils.matrix import FileMatrix


class TextStore:
    """Embeddings of captions, in the order in which they come: in memory, and from so many bytes on in a temporary file.

    Args:
        most_bytes: of memory, the mixture weights aside.
    """

    def __init__(self, most_bytes: int):
        self.most_bytes = most_bytes
        self._dims: list[int] = []
        self._memory: list[Tensor] = []
        self._file: FileMatrix | None = None
        self._weights: list[Tensor] = []

    def append(self, text: TextEmbedding) -> None:
        """Keep the embeddings of further captions.

        Raises:
            InputError: no room for the file.
        """
        self._dims = [x.shape[1] for x in text.experts]
        self._weights.append(text.weights)
        self._memory.append(torch.cat(text.experts, dim=1))
        if self._file is not None or sum(x.nbytes for x in self._memory) > self.most_bytes:
            self._file = self._file or FileMatrix(self.width)
            for x in self._memory:
                self._file.append(x.cpu().numpy())
            self._memory = []

    @property
    def width(self) -> int:
        """Numbers of an embedding, its weights aside."""
        return sum(self._dims)

    @property
    def weights(self) -> Tensor:
        """The mixture weights (T, M) of all captions."""
        if len(self._weights) > 1:
            self._weights = [torch.cat(self._weights)]
        return self._weights[0]

    def read(self, start: int, stop: int, device: torch.device) -> TextEmbedding:
        """The captions from number `start` to `stop`, on `device`."""
        if self._file is not None:
            x = torch.from_numpy(self._file[start:stop]).to(device)
        else:
            if len(self._memory) > 1:
                self._memory = [torch.cat(self._memory)]
            x = self._memory[0][start:stop]
        return TextEmbedding(list(x.split(self._dims, dim=1)), self.weights[start:stop])
