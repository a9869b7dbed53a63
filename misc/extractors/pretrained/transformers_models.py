"""`transformers:<name>`: image models of Transformers, and image-text models such as CLIP and SigLIP.

The name is one of the hub, or a folder.
"""

from typing import Any

import torch
from PIL import Image

from misc.extractors.extractor import ExtractorContext
from misc.extractors.frame_extractor import FrameExtractor
from misc.extractors.image_text import ImageTextModel
from misc.extractors.pretrained.hub import describe_source, explain_load_errors, load_pretrained
from misc.extractors.pretrained.torchvision_import import ensure_torchvision
from utils.optional_packages import require_package


class TransformersExtractor(FrameExtractor):
    """Features (T, dim) of frames by an image model.

    The first of these that the model has is used: image features (CLIP, SigLIP), the output of a pooler with weights, the
    state of the class token, the mean of the last hidden states.
    """

    def __init__(self, name: str, *, frames: int = 16, context: ExtractorContext):
        ensure_torchvision()
        transformers = require_package("transformers")
        spec = f"transformers:{name}"

        def prepare(image: Image.Image) -> torch.Tensor:
            return processor(images=image, return_tensors="pt")["pixel_values"][0]

        def network(images: torch.Tensor) -> torch.Tensor:
            output = (model.get_image_features if has_features else model)(pixel_values=images)
            if can_pool and output.get("pooler_output") is not None:
                return output.pooler_output.flatten(1)
            states = output.last_hidden_state  # (n, L, dim), or (n, dim, h, w)
            if states.dim() == 4:
                return states.mean(dim=(2, 3))
            return states[:, 0] if has_class else states.mean(dim=1)

        with explain_load_errors(spec, *describe_source(name)):
            processor = transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
            model, can_pool = load_pretrained(transformers.AutoModel, name)
            model.to(context.device)
            has_features = hasattr(model, "get_image_features")
            has_class = any(key.split(".")[-1] == "cls_token" for key, _ in model.named_parameters())
            super().__init__(spec, prepare, network, frames, context.device)


class TransformersImageTextModel(ImageTextModel):
    """A model of Transformers for frames and texts, such as CLIP and SigLIP: one with image features and text features."""

    def __init__(self, spec: str, name: str, device: str):
        ensure_torchvision()
        transformers = require_package("transformers")
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        with explain_load_errors(spec, *describe_source(name)):
            self._processor = transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
            model, is_complete = load_pretrained(transformers.AutoModel, name)
            if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
                raise ValueError(f"{type(model).__name__} does not compare images and texts, as CLIP and SigLIP do")
            if not is_complete:
                raise ValueError("it has no weights for its pooler")
            self._is_sigmoid = hasattr(model, "logit_bias")
            self._options = _padding(model, self._tokenizer.model_max_length, self._is_sigmoid)
            super().__init__(spec, model, device)

    def prepare(self, image: Image.Image) -> torch.Tensor:
        """Return the input of the model for an image: (3, h, w)."""
        return self._processor(images=image, return_tensors="pt")["pixel_values"][0]

    def encode_images(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the projected embeddings of inputs (n, 3, h, w): (n, dim)."""
        return self._model.get_image_features(pixel_values=inputs).pooler_output

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        """Return the projected embeddings of texts: (n, dim)."""
        return self._model.get_text_features(**self._prepare_texts(texts).to(self.device)).pooler_output

    def tokenize(self, text: str) -> torch.Tensor:
        """Return the tokens of a text that the model reads: (1, L)."""
        return self._prepare_texts([text])["input_ids"]

    def _prepare_texts(self, texts: list[str]) -> Any:
        if self._is_sigmoid:  # SigLIP is trained with lower case, to which not all of its tokenizers convert
            texts = [text.lower() for text in texts]
        return self._tokenizer(texts, truncation=True, return_tensors="pt", **self._options)


def _padding(model: torch.nn.Module, tokenizer_length: int, is_sigmoid: bool) -> dict[str, object]:
    """Return the options of the tokenizer with which a model was trained.

    A model with a sigmoid loss (SigLIP) reads the padding of all texts to its full length, without a mask.
    """
    config = getattr(model.config, "text_config", model.config)
    length = min(tokenizer_length, getattr(config, "max_position_embeddings", tokenizer_length))
    if is_sigmoid:
        return {"padding": "max_length", "max_length": length, "return_attention_mask": False}
    return {"padding": True, "max_length": length}
