"""Narrations: sentences about the topic of a clip, spoken by espeak-ng."""

import io
import shutil
import subprocess
import wave

import numpy as np
from scipy.signal import resample_poly

from misc.demo.clips import Clip
from utils.errors import InputError

PROGRAM = "espeak-ng"
VOICE = "en-us+f2"
WORDS_PER_MINUTE = (140, 165)
SENTENCES = 2
TEXTS = {
    "cooking": (
        "put the butter and the garlic into the pan. we cook the onions for dinner. "
        "bake it in the oven with a little sauce. stir the soup and taste it"
    ),
    "weather": (
        "today the weather is cold with a strong wind. the clouds bring rain and a storm. "
        "we expect a warm day with sunshine. the fog is clear by the afternoon"
    ),
    "football": (
        "the football team has won the game. the keeper could not stop the goal. "
        "the players kick and score for the league. the referee gave a penalty"
    ),
    "history": (
        "the king and the queen lived in an old castle. in that century they fought a great battle. "
        "the empire ruled and signed a treaty. he conquered the country and built a wall"
    ),
    "music": (
        "we listen to the music of the orchestra. the band played a song on the guitar. "
        "the violin and the chorus perform a concert. she can sing and compose a tune"
    ),
    "space": (
        "the rocket flies into space and lands on a planet. the astronaut can observe a comet. "
        "they launch a telescope into orbit. we discover another galaxy"
    ),
    "travel": (
        "we travel by train to the hotel. pack your luggage and fly to the island. "
        "show your passport at the airport. book a visit and arrive at the border"
    ),
    "gardening": (
        "water the garden and plant the seeds. the roses need a good soil. "
        "dig the beds and harvest the tomatoes. the leaves are good for compost"
    ),
    "health": (
        "the doctor says that exercise is good for the heart. sleep and rest will heal the muscles. "
        "breathe and stretch and run every day. eat vitamins and keep a diet"
    ),
    "money": (
        "the bank pays interest on your money. invest your savings and earn a lot. "
        "he had to borrow and pay the loan. the budget is spent on taxes and shares"
    ),
}


def narration_text(clip: Clip) -> str:
    """Return the sentences of the narrator of a clip, "" for a clip without a narrator."""
    if clip.topic is None:
        return ""
    return ". ".join(clip.rng(4).choice(TEXTS[clip.topic].split(". "), SENTENCES, replace=False))


def synthesize_speech(clip: Clip, sample_rate: int) -> np.ndarray:
    """Return the voice of the narrator of a clip that has one, float32 samples from -1 to 1."""
    if shutil.which(PROGRAM) is None:
        raise InputError(f"{PROGRAM}: not found, expected it to speak the narrations (Debian: apt-get install {PROGRAM})")
    pace = clip.rng(5).integers(*WORDS_PER_MINUTE)
    command = [PROGRAM, "-v", VOICE, "-s", str(pace), "--stdout", narration_text(clip)]
    spoken = subprocess.run(command, check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        rate, samples = file.getframerate(), np.frombuffer(file.readframes(-1), np.int16)
    return resample_poly(samples / 32768, sample_rate, rate).astype(np.float32).clip(-1, 1)
