"""`transformers:<name>`: models of Transformers, for frames and for text; the name is a hub's, or a folder."""

import torch
from PIL import Image

from misc.extractors.extractor import Setting
from misc.extractors.frames import FrameExtractor
from misc.extractors.hub import is_folder, loading, pretrained, wanted
from misc.extractors.text import TokenEncoder, import_or_explain
from misc.extractors.torchvision_import import ensure_torchvision


class Extractor(FrameExtractor):
    """What an image model makes of frames, (T, dim); see `Extractor` of the registry.

    That is the first of these that the model has: its image features (CLIP, SigLIP), what it pools by weights of its own,
    the state of its class token, and the mean over its last hidden states.

    Args:
        name: of the model.
        frames: at most that many, evenly spread.

    Raises:
        InputError: there is no such model.
    """

    def __init__(self, name: str, *, frames: int = 16, setting: Setting):
        ensure_torchvision()
        transformers = import_or_explain("transformers")
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

        with loading(spec, wanted(name), is_folder(name)):
            processor = transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
            model, can_pool = pretrained(transformers.AutoModel, name)
            model.to(setting.device)
            has_features = hasattr(model, "get_image_features")
            has_class = any(key.split(".")[-1] == "cls_token" for key, _ in model.named_parameters())
            super().__init__(spec, prepare, network, frames, setting.device)


def text_encoder(name: str, device: str) -> TokenEncoder:
    """The last hidden states of a language model; see `TokenEncoder`."""
    return TokenEncoder(f"transformers:{name}", name, device)
