"""Image-text models for search without training: frames and texts are embedded in one space, and compared by their cosine.

A spec is "<family>:<name>" with a family of `FAMILIES`: `open_clip:<name>` and `transformers:<name>`, see the modules of
`pretrained`. The model of a text is the whole text encoder with its projection; text encoders for word vectors
(`text_encoders`) return what precedes it.

A. Radford et al. Learning transferable visual models from natural language supervision. ICML 2021.
X. Zhai et al. Sigmoid loss for language image pre-training. ICCV 2023.
"""

import dataclasses
import functools
import hashlib
import pkgutil
import re
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from misc.extractors.extractor import ExpertOutput
from misc.extractors.frame_extractor import FrameExtractor
from misc.extractors.text_encoders import BATCH, find_classes
from misc.video_reading.media import Media
from utils.errors import InputError

FAMILIES = find_classes("pretrained/[!.]*_models.py", "ImageTextModel")  # their classes take spec, name and device


class ImageTextModel:
    """The base class of image-text models, which are built within `explain_load_errors`.

    Attributes:
        sha256: digest of the weights, independent of their names, which change between versions of libraries.

    Raises:
        ValueError: images and texts are not embedded as vectors of the same dimension.
    """

    def __init__(self, spec: str, model: torch.nn.Module, device: str):
        self.spec, self.device, self._model = spec, device, model.to(device)
        self.sha256 = digest_weights(model)
        texts = self.embed_texts(["a word", "some other words"])
        with torch.inference_mode():
            images = self.encode_images(self.prepare(Image.new("RGB", (32, 32)))[None].to(device))
        if not (texts.ndim == images.ndim == 2 and texts.shape[1] == images.shape[1] and np.isfinite(texts).all()):
            found = f"an image as {tuple(images.shape)} and two texts as {texts.shape}"
            raise ValueError(f"it embeds {found}, expected finite vectors of the same dimension")

    def prepare(self, image: Image.Image) -> torch.Tensor:
        """Return the input of the model for an image: (3, h, w)."""
        raise NotImplementedError

    def encode_images(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the projected embeddings of inputs (n, 3, h, w) on the device, not normalized: (n, dim)."""
        raise NotImplementedError

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        """Return the projected embeddings of texts, not normalized: (n, dim)."""
        raise NotImplementedError

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings of texts, of length 1: (n, dim) float32. Longer ones than the model reads are cut."""
        valid = [text.encode(errors="replace").decode() for text in texts]  # JSON may contain unpaired surrogates
        with torch.inference_mode():
            batches = [self.encode_texts(valid[i : i + BATCH]).float() for i in range(0, len(valid), BATCH)]
            return F.normalize(torch.cat(batches), dim=-1).cpu().numpy()

    def tokenize(self, text: str) -> torch.Tensor:
        """Return the tokens of a text that the model reads."""
        raise NotImplementedError

    def reads_all(self, text: str) -> bool:
        """Return whether the last word of a text is within the length that the model reads."""
        if (last := re.search(r"\w+\W*$", text)) is None:
            return True
        return not torch.equal(self.tokenize(text), self.tokenize(text[: last.start()]))

    def probability(self, cosine: float) -> float | None:
        """Return the probability that a text and an image with this cosine belong together.

        Only models with a sigmoid loss have one (SigLIP): sigmoid(scale * cosine + bias). That of others depends on the
        other texts or images, None.
        """
        if (bias := getattr(self._model, "logit_bias", None)) is None:
            return None
        with torch.inference_mode():
            return torch.sigmoid(self._model.logit_scale.float().exp() * cosine + bias.float()).item()


class ZeroShotExtractor(FrameExtractor):
    """Embeddings (T, dim), of length 1, of at most `frames` frames with the time of each; None for a video without any."""

    def __init__(self, model: ImageTextModel, frames: int):
        super().__init__(model.spec, model.prepare, model.encode_images, frames, model.device)

    def __call__(self, media: Media) -> ExpertOutput | None:
        """Return the embeddings of the frames of a video."""
        if (output := super().__call__(media)) is None:
            return None
        lengths = np.linalg.norm(output.features, axis=1, keepdims=True)
        times = [(round(float(start), 3), round(float(end), 3)) for start, end in output.spans]
        return dataclasses.replace(output, features=output.features / np.maximum(lengths, 1e-12), times=times)


@functools.lru_cache(maxsize=1)
def build_image_text_model(spec: str, device: str) -> ImageTextModel:
    """Return the image-text model with the name `spec`, loaded once per process.

    Raises:
        InputError: it is unknown, a package or the model is missing, or it does not embed images and texts.
    """
    family, _, name = spec.partition(":")
    if not name or family not in FAMILIES:
        known = " or ".join(f"{family}:<name>" for family in FAMILIES)
        raise InputError(f"image-text model '{spec}': unknown, expected {known}")
    return pkgutil.resolve_name(FAMILIES[family])(spec, name, device)


def digest_weights(model: torch.nn.Module) -> str:
    """Return the SHA-256 of the weights of a model, of any order and names."""
    digests = []
    for x in model.state_dict().values():
        content = x.detach().cpu().contiguous()
        digest = hashlib.sha256(f"{content.dtype} {tuple(content.shape)} ".encode())
        digest.update(content.reshape(-1).view(torch.uint8).numpy())
        digests.append(digest.digest())
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()
