"""`transformers:<name>`: image models of Transformers. The name is one of the hub, or a folder."""

import torch
from PIL import Image

from misc.extractors.extractor import ExtractorContext
from misc.extractors.frame_extractor import FrameExtractor
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
