"""Sounds of clips: ten kinds, with pitch, tempo and loudness that differ between clips, and a narrator by espeak-ng."""

import io
import shutil
import subprocess
import wave

import numpy as np
from scipy.signal import butter, resample_poly, sosfilt

from misc.demo.clips import VOCABULARY, Clip
from utils.errors import InputError

SAMPLE_RATE = 16000
PROGRAM = "espeak-ng"
VOICE = "en-us+f2"
WORDS_PER_MINUTE = (140, 165)
SENTENCES = 2


def synthesize_sound(clip: Clip, seconds: float) -> np.ndarray | None:
    """Return the sound, float32 samples from -1 to 1; None for a clip without sound."""
    if clip.sound is None:
        return None
    rng = clip.rng(1)
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = _wave(clip.sound, t, rng)
    sound = sound / np.abs(sound).max() * rng.uniform(0.3, 0.8) + rng.normal(scale=0.01, size=len(t))
    return np.clip(sound, -1, 1).astype(np.float32)


def narration_text(clip: Clip) -> str:
    """Return the sentences of the narrator of a clip, "" for a clip without a narrator."""
    if clip.topic is None:
        return ""
    return ". ".join(clip.rng(4).choice(VOCABULARY["topic"][clip.topic]["sentences"], SENTENCES, replace=False))


def synthesize_speech(clip: Clip) -> np.ndarray:
    """Return the voice of the narrator of a clip that has one, float32 samples from -1 to 1."""
    if shutil.which(PROGRAM) is None:
        raise InputError(f"{PROGRAM}: not found, expected it to speak the narrations (Debian: apt-get install {PROGRAM})")
    pace = clip.rng(5).integers(*WORDS_PER_MINUTE)
    command = [PROGRAM, "-v", VOICE, "-s", str(pace), "--stdout", narration_text(clip)]
    spoken = subprocess.run(command, check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        rate, samples = file.getframerate(), np.frombuffer(file.readframes(-1), np.int16)
    return resample_poly(samples / 32768, SAMPLE_RATE, rate).astype(np.float32).clip(-1, 1)


def _wave(sound: str, t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a sound at any loudness; `t` in seconds."""
    pitch, pace, start = rng.uniform(0.85, 1.18), rng.uniform(0.8, 1.25), rng.uniform(0, 0.3)
    beat = ((t + start) * pace) % 1  # approximate seconds since the last beat
    match sound:
        case "bell":
            return sum(np.sin(2 * np.pi * 620 * pitch * k * t) * np.exp(-3 * k * beat) / k for k in (1, 2.4, 3.8, 5.2))
        case "drum":
            beat = (beat * 3) % 1
            return np.sin(2 * np.pi * 90 * pitch * beat * np.exp(-beat)) * np.exp(-9 * beat)
        case "siren":
            return np.sin(2 * np.pi * np.cumsum(700 * pitch + 320 * np.sin(2 * np.pi * pace * t)) / SAMPLE_RATE)
        case "whistle":
            return np.sin(2 * np.pi * np.cumsum(2400 * pitch + 60 * np.sin(2 * np.pi * 6 * t)) / SAMPLE_RATE) * (beat < 0.7)
        case "rain":
            return _noise(rng, t, (1500, 7000)) * (1 + 0.3 * np.sin(2 * np.pi * pace * t))
        case "engine":
            return ((t * 55 * pitch) % 1 - 0.5) * (1 + 0.5 * np.sin(2 * np.pi * 11 * pace * t)) + _noise(rng, t, (50, 400))
        case "melody":
            notes = 330 * pitch * 2 ** (rng.choice([0, 2, 4, 7, 9, 12], size=8) / 12)
            note = (t * 4 * pace).astype(int) % 8
            return np.sin(2 * np.pi * notes[note] * t) * np.exp(-4 * ((t * 4 * pace) % 1))
        case "clapping":
            strokes = (t[:, None] * pace * rng.uniform(4, 6, 3) + rng.uniform(0, 1, 3)) % 1
            return _noise(rng, t, (800, 3000)) * np.exp(-25 * strokes).sum(axis=1)
        case "clock":
            return _noise(rng, t, (3500, 6500)) * np.exp(-60 * ((t * 4 * pace + start) % 1))
        case "bird":
            chirp = (t * 5 * pace + start) % 1
            return np.sin(2 * np.pi * (3300 * pitch + 1500 * chirp) * t) * (chirp < 0.45) * np.sin(np.pi * chirp / 0.45) ** 2
    raise ValueError(sound)


def _noise(rng: np.random.Generator, t: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """Return noise between two frequencies in Hz."""
    return sosfilt(butter(4, band, "bandpass", fs=SAMPLE_RATE, output="sos"), rng.normal(size=len(t)))
