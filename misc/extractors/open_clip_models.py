"""`open_clip:<name>`: models of OpenCLIP, for frames and for text.

The name is "<model>/<weights>": a pair of `open_clip.list_pretrained()`, as "ViT-B-32/laion2b_s34b_b79k", or the path of a
checkpoint after the slash; or "hf-hub:<repository>", or "local-dir:<folder>".
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from misc.extractors.extractor import Setting
from misc.extractors.frames import FrameExtractor
from misc.extractors.hub import loading
from misc.extractors.text import BATCH, EXTRA, feat_of, import_or_explain
from misc.extractors.torchvision_import import ensure_torchvision
from utils.errors import InputError


class Extractor(FrameExtractor):
    """What the image encoder makes of frames, not normalised, (T, dim); see `Extractor` of the registry.

    Args:
        name: of the model and its weights.
        frames: at most that many, evenly spread.
        weights: file with a checkpoint, for a name without any.

    Raises:
        InputError: there is no such model, or its weights are not to be had.
    """

    def __init__(self, name: str, *, frames: int = 16, weights: str | None = None, setting: Setting):
        spec = f"open_clip:{name}"
        with _loading(spec, name, weights) as (model, prepare, _):
            super().__init__(spec, prepare, model.to(setting.device).encode_image, frames, setting.device)


def text_encoder(name: str, device: str) -> "ClipTextEncoder":
    """The text encoder of a model.

    Raises:
        InputError: there is no such model, its weights are not to be had, or its tokens are not CLIP's.
    """
    return ClipTextEncoder(name, device)


class ClipTextEncoder:
    """The last hidden states of the text encoder, normalised as its output is; see `TextEncoder`.

    Those of the words are followed by that of the end of the text, which the model compares with images. Of a text of more
    than the model's context (77 tokens, mostly) its start is taken.
    """

    def __init__(self, name: str, device: str):
        self.spec, self._device = f"open_clip:{name}", device
        self.feat = feat_of(self.spec)
        with _loading(self.spec, name, None) as (model, _, tokeniser):
            self._model, self._tokens = model.to(device), tokeniser()
            if not hasattr(self._tokens, "eot_token_id"):
                raise InputError(
                    f"text encoder '{self.spec}': its tokeniser is not CLIP's, expected a model that has CLIP's"
                )
            self.dim = self._states(self._tokens([""])).shape[2]

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        """See `TextEncoder`."""
        vectors = []
        for start in range(0, len(texts), BATCH):
            tokens = self._tokens(list(texts[start : start + BATCH]))  # (n, L): start, words, end, zeros
            ends = (tokens == self._tokens.eot_token_id).int().argmax(dim=1).tolist()
            vectors += [x[1 : end + 1 if end > 1 else 1] for x, end in zip(self._states(tokens), ends, strict=True)]
        return vectors

    def _states(self, tokens: torch.Tensor) -> np.ndarray:
        """(n, L) to (n, L, dim)."""
        with torch.inference_mode():
            found = self._model.forward_intermediates(
                text=tokens.to(self._device), text_indices=1, normalize_intermediates=True, intermediates_only=True
            )
        return found["text_intermediates"][-1].float().cpu().numpy()


@contextlib.contextmanager
def _loading(spec: str, name: str, weights: str | None) -> Iterator[tuple[torch.nn.Module, Callable, Callable]]:
    """A model for evaluation, what prepares an image for it, and what gives its tokeniser, to be tried inside."""
    ensure_torchvision()
    open_clip = import_or_explain("open_clip", EXTRA)
    folder = name.startswith("local-dir:")
    if not folder and not name.startswith("hf-hub:") and weights is None:
        name, _, weights = name.partition("/")
    known = open_clip.get_pretrained_cfg(name, weights or "")
    local = folder or bool(weights and not known)
    where = f"'{name}'" + (f" with weights '{weights}'" if weights else "") + ("" if local else " on the hub")
    with loading(spec, where, local):
        # Some weights want another activation than the model of that name has.
        quick = bool(known.get("quick_gelu"))
        model, prepare = open_clip.create_model_from_pretrained(name, weights, force_quick_gelu=quick)
        yield model.eval(), prepare, lambda: open_clip.get_tokenizer(name)
