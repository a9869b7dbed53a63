"""What is kept of the items of a feature file, checked: a list of blocks of rows each."""

import dataclasses
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from data_loader.experts import Expert
from utils.errors import InputError


class Encoder(Protocol):
    """Says how the items of a file are kept.

    Attributes:
        tag: tells apart the ways to keep one file.
        settings: what the result depends on.
        width: numbers in a row (None: a row is one byte).
    """

    tag: str
    settings: dict[str, Any]
    width: int | None

    def encode(self, path: Path, name: Any, value: Any) -> list[np.ndarray]:
        """The blocks of rows, (n, width) float16 or float32, or (n,) uint8, of one item.

        Raises:
            InputError: an item that is not what it should be.
        """


class FeatureEncoder:
    """An expert's features of a video: one block, aggregated over time unless the model does that, or none where missing.

    The expert is missing where the value is the float NaN or an empty array, where the first number is NaN and, if
    `zeros_are_missing`, where all numbers are zero. Without `zeros_are_missing`, an empty sequence is one without frames.
    With `zeros_pad`, frames of zeros at the end of a sequence are padding, which is dropped.
    """

    def __init__(self, expert: Expert, zeros_are_missing: bool = True, zeros_pad: bool = False):
        self.expert = expert
        self.zeros_are_missing = zeros_are_missing
        self.zeros_pad = zeros_pad and expert.aggregation == "vlad"
        self.tag = f"{expert.aggregation}-{expert.dim}"
        fields = ("dim", "kind", "aggregation")
        self.settings = {key: value for key, value in dataclasses.asdict(expert).items() if key in fields}
        self.settings["zeros_are_missing"] = zeros_are_missing
        if self.zeros_pad:
            self.settings["zeros_pad"] = True
        self.width = expert.dim

    def encode(self, path: Path, name: Any, value: Any) -> list[np.ndarray]:
        """See `Encoder`."""
        expert = self.expert
        x = _array(path, f"'{name}'", value, f"(T, {expert.dim})")
        if x.size == 0 and x.dtype != object:
            has_no_frames = expert.aggregation == "vlad" and not self.zeros_are_missing
            return [np.zeros((0, expert.dim), dtype=np.float16)] if has_no_frames else []
        if x.ndim == 0 and x.dtype.kind == "f" and np.isnan(x):
            return []
        if x.ndim == 1:
            x = x[None]
        if not np.issubdtype(x.dtype, np.number) or np.iscomplexobj(x) or x.ndim != 2:
            raise InputError(
                f"{path}: '{name}' is {x.dtype} of shape {x.shape}, expected numbers of shape (T, {expert.dim})"
            )
        if np.isnan(x[0, 0]):
            return []
        if x.shape[1] != expert.dim:
            raise InputError(f"{path}: '{name}' has dimension {x.shape[1]}, expected {expert.dim}")
        if expert.kind == "vector" and len(x) > 1:
            raise InputError(f"{path}: '{name}' has {len(x)} rows, expected one: its kind is vector (or is it a sequence?)")
        x = _finite(path, f"'{name}'", x)
        if self.zeros_are_missing and not x.any():
            return []
        if self.zeros_pad:
            x = x[: len(x) - int(np.argmax(x[::-1].any(axis=1)))] if x.any() else x[:0]
        if expert.aggregation in ("avg", "max"):
            x = x.astype(np.float32)
            with np.errstate(over="ignore"):  # the sum of finite numbers may be none
                x = x.max(axis=0, keepdims=True) if expert.aggregation == "max" else x.mean(axis=0, keepdims=True)
            x = _finite(path, f"the average of '{name}'", x)
        return [x]


class CaptionEncoder:
    """A video's captions as word vectors: a block each. One array of words alone is one caption."""

    def __init__(self, text_dim: int):
        self.tag = f"text-{text_dim}"
        self.settings = {"text_dim": text_dim}
        self.width = text_dim

    def encode(self, path: Path, name: Any, value: Any) -> list[np.ndarray]:
        """See `Encoder`."""
        if isinstance(value, np.ndarray) and value.dtype != object and value.ndim <= 2:
            value = [value]
        return [self._caption(path, f"caption {k} of '{name}'", x) for k, x in enumerate(_listed(path, name, value))]

    def _caption(self, path: Path, item: str, value: Any) -> np.ndarray:
        x = _array(path, item, value, f"(words, {self.width})")
        if x.size == 0 and x.dtype != object:
            return np.zeros((0, self.width), dtype=np.float16)
        if not np.issubdtype(x.dtype, np.floating) or x.ndim != 2 or x.shape[1] != self.width:
            raise InputError(
                f"{path}: {item} is {x.dtype} of shape {x.shape}, expected floats of shape (words, {self.width})"
            )
        x = _finite(path, item, x)
        with np.errstate(all="ignore"):
            square = np.vdot(x, x) if x.dtype == np.float32 else 0
        if not np.isfinite(square):  # the model takes lengths
            raise InputError(f"{path}: {item} holds numbers whose squares overflow (as float32), expected smaller ones")
        return x


class TextEncoder:
    """A video's captions as text: a block of UTF-8 each."""

    tag = "raw"
    settings: dict[str, Any] = {}
    width = None

    def encode(self, path: Path, name: Any, value: Any) -> list[np.ndarray]:
        """See `Encoder`."""
        texts = [x if isinstance(x, str) else self._joined(path, name, x) for x in _listed(path, name, value)]
        try:
            return [np.frombuffer(text.encode("utf-8", "surrogateescape"), dtype=np.uint8) for text in texts]
        except UnicodeEncodeError as error:
            raise InputError(f"{path}: '{name}' has letters that are none ({error.reason}), expected text") from None

    def _joined(self, path: Path, name: Any, caption: Any) -> str:
        words = [x.decode("utf-8", "surrogateescape") if isinstance(x, bytes) else x for x in _listed(path, name, caption)]
        if other := [word for word in words if not isinstance(word, str)]:
            raise InputError(f"{path}: '{name}' has a {type(other[0]).__name__} for a word, expected text")
        return " ".join(words)


def _finite(path: Path, item: str, x: np.ndarray) -> np.ndarray:
    """`x` as float16, if it is, or float32."""
    with np.errstate(over="ignore"):
        x = x if x.dtype == np.float16 else x.astype(np.float32)
    if not np.isfinite(x).all():
        raise InputError(f"{path}: {item} holds NaN or inf (as float32), expected finite numbers")
    return x


def _array(path: Path, item: str, value: Any, shape: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:
        raise InputError(f"{path}: {item} has rows of different lengths, expected numbers of shape {shape}") from None


def _listed(path: Path, name: Any, captions: Any) -> list:
    """The captions of a video as a list."""
    if not isinstance(captions, list | tuple) and not (isinstance(captions, np.ndarray) and captions.ndim):
        raise InputError(f"{path}: '{name}' is a {type(captions).__name__}, expected a list of captions")
    return list(captions)
