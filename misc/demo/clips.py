"""The attributes of the clips of the Demo dataset.

Clips come in families whose members differ from the first in one attribute each, so that a model has to understand the whole
caption.
"""

import dataclasses
import tomllib
from pathlib import Path

import numpy as np

VOCABULARY = tomllib.loads(Path(__file__).with_name("vocabulary.toml").read_text())
FAMILY = 4  # clips per family
SHARES = {"sound": 0.6, "word": 0.5, "topic": 0.4, "hair": 0.45}  # of clips that have the attribute; all have the others
# Attribute -> its values, and the share of clips that have it.
ATTRIBUTES = {
    name: (tuple(VOCABULARY[name]), SHARES.get(name, 1.0))
    for name in ("shape", "color", "texture", "size", "motion", "place", "sound", "word", "topic", "hair")
}
PERSON = ("smiling", "glasses", "hat")  # attributes of a clip with hair


@dataclasses.dataclass(frozen=True)
class Clip:
    """The attributes of a clip, None for absent ones.

    `seed` determines all its other properties: positions, shades, wording.
    """

    shape: str
    color: str
    texture: str
    size: str
    motion: str
    place: str
    sound: str | None
    word: str | None
    topic: str | None
    hair: str | None
    smiling: bool
    glasses: bool
    hat: bool
    seed: tuple[int, ...]

    def rng(self, use: int) -> np.random.Generator:
        """Return a separate generator for each use: drawing, sound, captions."""
        return np.random.default_rng((*self.seed, use))


def plan_clips(count: int, seed: int) -> list[Clip]:
    """Return the first `count` clips, family by family."""
    rng = np.random.default_rng(seed)
    clips: list[Clip] = []
    while len(clips) < count:
        first = _draw_attributes(rng, (seed, len(clips)))
        clips.append(first)
        changed = rng.permutation([*ATTRIBUTES, *(PERSON if first.hair else ())])[: FAMILY - 1]
        clips += [_vary(first, str(name), rng, (seed, len(clips) + k)) for k, name in enumerate(changed)]
    return clips[:count]


def _draw_attributes(rng: np.random.Generator, seed: tuple[int, ...]) -> Clip:
    values = {name: str(rng.choice(known)) if rng.random() < share else None for name, (known, share) in ATTRIBUTES.items()}
    return Clip(**values, **{name: bool(rng.random() < 0.5) for name in PERSON}, seed=seed)


def _vary(clip: Clip, name: str, rng: np.random.Generator, seed: tuple[int, ...]) -> Clip:
    """Return a clip with another value of one attribute and another seed."""
    if name in PERSON:
        return dataclasses.replace(clip, **{name: not getattr(clip, name)}, seed=seed)
    others = [value for value in ATTRIBUTES[name][0] if value != getattr(clip, name)]
    return dataclasses.replace(clip, **{name: str(rng.choice(others))}, seed=seed)
