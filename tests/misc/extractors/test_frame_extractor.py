"""Features of frames: their order, batches and number; refusal of unsuitable networks."""

import numpy as np
import pytest
import torch
from helpers.pretrained_models import refused, video

from misc.extractors.frame_extractor import MAX_ASPECT, FrameExtractor, encode_frames, to_image
from misc.video_reading.media import Media


def prepare(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float()


def mean_colors(images):
    return images.mean(dim=(2, 3))


def test_features_come_in_the_order_of_frames_and_no_batch_is_larger():
    frames, sizes = video(23).frames, []

    def network(images):
        sizes.append(len(images))
        return mean_colors(images)

    found = encode_frames(frames, prepare, network, "cpu")
    np.testing.assert_allclose(found, frames.mean(axis=(1, 2)), rtol=1e-5)
    assert sizes == [16, 7]


@pytest.mark.parametrize(("height", "width"), [(1, 100_000), (100_000, 1), (30, 40)])
def test_the_middle_of_a_wide_image_is_used(height, width):
    frame = np.zeros((height, width, 3), np.uint8)
    frame[height // 2, width // 2] = 255
    image = np.array(to_image(frame))
    assert image.max() == 255
    assert max(image.shape[:2]) <= MAX_ASPECT * min(image.shape[:2])
    assert image.shape == frame.shape or max(height, width) > MAX_ASPECT * min(height, width)


def test_at_most_that_many_frames_are_spread_evenly():
    extractor = FrameExtractor("toy", prepare, mean_colors, 2, "cpu")
    frames = np.broadcast_to(np.arange(9, dtype=np.uint8)[:, None, None, None], (9, 4, 4, 3))
    assert extractor(Media(frames, np.arange(9.0), None)).features[:, 0].tolist() == [2, 6]
    assert extractor.dim == 3


@pytest.mark.parametrize("frames", [0, -1, 2.5, "8", True, None])
def test_invalid_numbers_of_frames_are_refused(frames):
    refused(lambda: FrameExtractor("toy", prepare, mean_colors, frames, "cpu"), "'toy'.*'frames' is .*expected")


def test_a_network_with_random_output_is_refused():
    refused(lambda: FrameExtractor("toy", prepare, lambda images: torch.rand(len(images), 3), 4, "cpu"), "'toy'.*random")


def test_a_network_that_gives_maps_is_refused():
    refused(lambda: FrameExtractor("toy", prepare, lambda images: images, 4, "cpu"), r"'toy'.*\(3, 32, 32\).*expected")
