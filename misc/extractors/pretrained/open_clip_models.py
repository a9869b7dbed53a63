"""`open_clip:<name>`: models of OpenCLIP for frames and for text.

The name is "<model>/<weights>": a pair of `open_clip.list_pretrained()`, such as "ViT-B-32/laion2b_s34b_b79k", or the path
of a checkpoint after the slash; or "hf-hub:<repository>", or "local-dir:<folder>".
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from PIL import Image

from misc.extractors.extractor import ExtractorContext
from misc.extractors.frame_extractor import FrameExtractor
from misc.extractors.image_text import ImageTextModel
from misc.extractors.pretrained.hub import explain_load_errors
from misc.extractors.pretrained.torchvision_import import ensure_torchvision
from misc.extractors.text_encoders import BATCH, feature_name
from utils.errors import InputError
from utils.optional_packages import EXTRA, require_package


class OpenClipExtractor(FrameExtractor):
    """Output (T, dim) of the image encoder for frames, not normalized.

    `weights` is the path of a checkpoint, for a name without weights.
    """

    def __init__(self, name: str, *, frames: int = 16, weights: str | None = None, context: ExtractorContext):
        spec = f"open_clip:{name}"
        with _load(spec, name, weights) as (model, prepare, _):
            super().__init__(spec, prepare, model.to(context.device).encode_image, frames, context.device)


class OpenClipImageTextModel(ImageTextModel):
    """A model of OpenCLIP for frames and texts; its tokenizer pads and cuts texts as the model was trained."""

    def __init__(self, spec: str, name: str, device: str):
        with _load(spec, name, None) as (model, prepare, get_tokenizer):
            self._prepare, self._tokenizer = prepare, get_tokenizer()
            super().__init__(spec, model, device)

    def prepare(self, image: Image.Image) -> torch.Tensor:
        """Return the input of the model for an image: (3, h, w)."""
        return self._prepare(image)

    def encode_images(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the projected embeddings of inputs (n, 3, h, w): (n, dim)."""
        return self._model.encode_image(inputs)

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        """Return the projected embeddings of texts: (n, dim)."""
        return self._model.encode_text(self._tokenizer(texts).to(self.device))

    def tokenize(self, text: str) -> torch.Tensor:
        """Return the tokens of a text that the model reads: (1, L)."""
        return self._tokenizer([text])


class ClipTextEncoder:
    """A `TextEncoder` that returns the normalized last hidden states of the text encoder of a model.

    The states of the words are followed by that of the end token, which the model compares with images. Texts longer than
    the context of the model (usually 77 tokens) are truncated.
    """

    def __init__(self, spec: str, name: str, device: str):
        self.spec, self.feat, self._device = spec, feature_name(spec), device
        with _load(spec, name, None) as (model, _, get_tokenizer):
            self._model, self._tokenizer = model.to(device), get_tokenizer()
            if not hasattr(self._tokenizer, "eot_token_id"):
                raise InputError(f"text encoder '{spec}': its tokenizer is not CLIP's, expected one with CLIP's tokenizer")
            self.dim = self._hidden_states(self._tokenizer([""])).shape[2]

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the vectors of each text, (tokens, dim)."""
        vectors = []
        for start in range(0, len(texts), BATCH):
            tokens = self._tokenizer(list(texts[start : start + BATCH]))  # (n, L): start, words, end, zeros
            ends = (tokens == self._tokenizer.eot_token_id).int().argmax(dim=1).tolist()
            states = self._hidden_states(tokens)
            vectors += [x[1 : end + 1 if end > 1 else 1] for x, end in zip(states, ends, strict=True)]
        return vectors

    def _hidden_states(self, tokens: torch.Tensor) -> np.ndarray:
        """Return the last hidden states of tokens (n, L): (n, L, dim)."""
        with torch.inference_mode():
            output = self._model.forward_intermediates(
                text=tokens.to(self._device), text_indices=1, normalize_intermediates=True, intermediates_only=True
            )
        return output["text_intermediates"][-1].float().cpu().numpy()


@contextlib.contextmanager
def _load(spec: str, name: str, weights: str | None) -> Iterator[tuple[torch.nn.Module, Callable, Callable]]:
    """Yield a model in evaluation mode, its image transform, and a function that returns its tokenizer."""
    ensure_torchvision()
    open_clip = require_package("open_clip", EXTRA)
    is_folder = name.startswith("local-dir:")
    if not is_folder and not name.startswith("hf-hub:") and weights is None:
        name, _, weights = name.partition("/")
    known = open_clip.get_pretrained_cfg(name, weights or "")
    is_local = is_folder or bool(weights and not known)
    source = f"'{name}'" + (f" with weights '{weights}'" if weights else "") + ("" if is_local else " on the hub")
    with explain_load_errors(spec, source, is_local):
        # Some weights need another activation than the model of that name has.
        quick = bool(known.get("quick_gelu"))
        model, prepare = open_clip.create_model_from_pretrained(name, weights, force_quick_gelu=quick)
        yield model.eval(), prepare, lambda: open_clip.get_tokenizer(name)
