"""Small video files for tests, in any container and codec that PyAV writes."""

import io
import shutil
import subprocess
import wave
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.signal import resample_poly

from misc.video_reading.media import Sampling, VideoError
from misc.video_reading.reader import read_video

# Limits that keep every frame, and limits as in an extraction.
ALL = Sampling(rate=1000, max_frames=1000, max_side=1000, max_seconds=100)
USUAL = Sampling(rate=8, max_frames=160, max_side=480, max_seconds=600)


def flat(number, height=48, width=64):
    """Return frames of one color each, by which they can be told apart: (number, height, width, 3)."""
    return np.stack([np.full((height, width, 3), color_value(i), np.uint8) for i in range(number)])


def color_value(i):
    return 20 + 8 * (i % 28)


def sine(seconds, rate, hertz):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def spoken(text, sample_rate=16000):
    """Return a sentence spoken by espeak-ng; skip the test if it is not installed."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    said = subprocess.run(["espeak-ng", "-v", "en-us+f2", "-s", "150", "--stdout", text], check=True, capture_output=True)
    with wave.open(io.BytesIO(said.stdout)) as file:
        rate, samples = file.getframerate(), np.frombuffer(file.readframes(-1), np.int16)
    return resample_poly(samples / 32768, sample_rate, rate).clip(-1, 1).astype(np.float32)


def write(
    path: Path,
    frames: Sequence[np.ndarray] = (),
    rate=10,
    sound: np.ndarray | None = None,
    sample_rate=48000,
    *,
    form: str | None = None,
    codec="mpeg4",
    sound_codec="pcm_s16le",
    packet=1024,
    sound_offset=0.0,
    picture: np.ndarray | None = None,
    options=None,
):
    """Write a file.

    Args:
        frames: of the video track (empty: no video track).
        sound: samples, (S,) mono or (S, 2) stereo (None: no sound track).
        form: format of the container (None: by the suffix of `path`).
        packet: samples per packet of sound.
        sound_offset: seconds from the first picture to the first sample.
        picture: a cover, which players show beside the sound.
    """
    with av.open(str(path), "w", format=form, container_options=options or {}) as out:
        video = audio = cover = None
        if len(frames):
            video = out.add_stream(codec, rate=Fraction(rate))
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24", "rawvideo": "rgb24", "gif": "rgb8"}.get(codec, "yuv420p")
        if sound is not None:
            audio = out.add_stream(sound_codec, rate=sample_rate, layout="mono" if sound.ndim == 1 else "stereo")
        if picture is not None:
            cover = out.add_stream("mjpeg")
            cover.height, cover.width = picture.shape[:2]
            cover.pix_fmt, cover.disposition = "yuvj420p", av.stream.Disposition.attached_pic
            out.mux([*cover.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")), *cover.encode(None)])
        for frame in frames:
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        if video is not None:
            out.mux(video.encode(None))
        if audio is not None:
            samples = (sound.clip(-1, 1) * 32767).astype(np.int16).reshape(len(sound), -1)
            form = audio.codec_context.format.name
            size = audio.codec_context.frame_size or packet
            for start in range(0, len(samples), size):
                part = samples[start : start + size]
                track = av.AudioFrame.from_ndarray(part.reshape(1, -1), format="s16", layout=audio.codec_context.layout.name)
                track.sample_rate, track.time_base = sample_rate, Fraction(1, sample_rate)
                track.pts = start + round(sound_offset * sample_rate)
                out.mux(audio.encode(track))
            out.mux(audio.encode(None))
    return path


def frame_numbers(frames):
    """Return which frames of `flat` these are."""
    known = np.array([color_value(i) for i in range(28)])
    return [int(np.abs(frame.mean() - known).argmin()) for frame in frames]


def video_refusal(path, sampling=USUAL):
    """Return the one-line reason why a file cannot be used."""
    with pytest.raises(VideoError) as refused:
        read_video(path, sampling)
    assert "\n" not in str(refused.value)
    return str(refused.value)
