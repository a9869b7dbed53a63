"""Decoded videos, sounds and images that extractors are tested with."""

import numpy as np
from helpers.pyav_videos import spoken
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from misc.video_reading.media import SAMPLE_RATE, Media


def silent_media(*frames, rate=8.0):
    """Return media of frames without sound."""
    return Media(np.stack(frames).astype(np.uint8), np.arange(len(frames)) / rate, None)


def sound_media(sound):
    """Return media of one black frame with sound (None: without)."""
    return Media(np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1), None if sound is None else np.asarray(sound, np.float32))


def spoken_at(texts, seconds=10.0):
    """Return sound of `seconds` with texts spoken at the given times, and time -> (start, end) of its voice."""
    sound, bounds = np.zeros(round(seconds * SAMPLE_RATE), np.float32), {}
    for start, text in texts.items():
        voice = spoken(text)
        first = round(start * SAMPLE_RATE)
        sound[first : first + len(voice)] += voice
        loud = np.flatnonzero(np.abs(voice) > 0.01)
        bounds[start] = (start + loud[0] / SAMPLE_RATE, start + loud[-1] / SAMPLE_RATE)
    return sound, bounds


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


def wordless_sounds():
    """Return sounds of two seconds without speech, by name: noise, tones and rhythms."""
    rng, time = np.random.default_rng(0), np.arange(2 * SAMPLE_RATE)
    tone = np.sin(2 * np.pi * 440 * time / SAMPLE_RATE)
    sounds = {
        "noise": rng.normal(size=len(time)) / 10,
        "brown noise": np.cumsum(rng.normal(size=len(time))) / 1000,
        "tone": tone / 2,
        "beeps": tone / 3 * (time % 8000 < 4000) + rng.normal(size=len(time)) / 50,
        "clicks": (time % 4000 < 5) * 0.8,
        "sweep": np.sin(2 * np.pi * (200 + 300 * time / SAMPLE_RATE) * time / SAMPLE_RATE) / 2,
    }
    return {name: sound.clip(-1, 1) for name, sound in sounds.items()}
