"""Decoded videos, sounds and images that extractors are tested with."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from misc.video_reading.media import Media


def silent_media(*frames, rate=8.0):
    """Return media of frames without sound."""
    return Media(np.stack(frames).astype(np.uint8), np.arange(len(frames)) / rate, None)


def sound_media(sound):
    """Return media of one black frame with sound (None: without)."""
    return Media(np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1), None if sound is None else np.asarray(sound, np.float32))


def smooth_noise(seed=0, height=96, width=128, smooth=3.0):
    """Return an image of soft gray blobs: (height, width, 3)."""
    blobs = gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), smooth, mode="wrap")
    gray = (128 + 50 * blobs / blobs.std()).clip(0, 255)
    return np.repeat(gray[..., None], 3, axis=2).astype(np.uint8)


def text_image(*lines, size=32, width=480, height=160):
    """Return an image of dark text on a light background: (height, width, 3)."""
    image = Image.new("RGB", (width, height), (240, 240, 230))
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        draw.text((30, 20 + 55 * i), line, (20, 20, 60), ImageFont.load_default(size))
    return np.asarray(image)
