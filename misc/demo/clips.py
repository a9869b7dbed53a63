"""The attributes of the clips of the Demo dataset.

Clips come in families whose members differ from the first in one attribute each, so that a model has to understand the whole
caption.
"""

import dataclasses

import numpy as np

SHAPES = ("disc", "square", "triangle", "star", "heart", "ring", "cross", "crescent")
COLORS = {
    "red": (214, 39, 40),
    "orange": (255, 136, 0),
    "yellow": (250, 218, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "purple": (130, 50, 170),
    "pink": (255, 120, 200),
    "brown": (110, 60, 25),
    "white": (248, 248, 248),
    "black": (20, 20, 24),
}
TEXTURES = ("plain", "striped", "dotted")
SIZES = ("small", "large")
MOTIONS = ("right", "left", "rise", "fall", "bounce", "spin", "grow", "shrink", "shake", "circle")
PLACES = ("meadow", "sea", "night", "desert", "snow", "city", "forest", "wall")
SOUNDS = ("bell", "drum", "siren", "whistle", "rain", "engine", "melody", "clapping", "clock", "bird")
WORDS = (
    *("SALE", "EXIT", "STOP", "HELLO", "OPEN", "CLOSED", "DANGER", "WELCOME", "FREE", "QUIET", "COFFEE", "BAKERY", "HOTEL"),
    *("LIBRARY", "MUSEUM", "STATION", "POLICE", "PHARMACY", "CINEMA", "SCHOOL", "MARKET", "BANK", "GARAGE", "TICKETS"),
)
TOPICS = ("cooking", "weather", "football", "history", "music", "space", "travel", "gardening", "health", "money")
HAIRS = {"dark": (45, 30, 25), "blond": (240, 215, 110), "ginger": (190, 75, 20), "grey": (160, 160, 165)}
SKINS = ((241, 205, 175), (214, 165, 125), (160, 112, 80))

FAMILY = 4  # clips per family
# Attribute -> its values, and the share of clips that have it.
ATTRIBUTES: dict[str, tuple[tuple, float]] = {
    "shape": (SHAPES, 1.0),
    "color": (tuple(COLORS), 1.0),
    "texture": (TEXTURES, 1.0),
    "size": (SIZES, 1.0),
    "motion": (MOTIONS, 1.0),
    "place": (PLACES, 1.0),
    "sound": (SOUNDS, 0.6),
    "word": (WORDS, 0.5),
    "topic": (TOPICS, 0.4),
    "hair": (tuple(HAIRS), 0.45),
}
PERSON = ("smiling", "glasses", "hat")  # attributes of a clip with hair


@dataclasses.dataclass(frozen=True)
class Clip:
    """The attributes of a clip, None for absent ones.

    Attributes:
        shape, color, texture, size: attributes of the moving object.
        motion: the kind of its motion.
        place: the background.
        sound: the kind of sound.
        word: the word on a sign.
        topic: the topic of a narrator.
        hair: the hair of a person, who is also described by `smiling`, `glasses` and `hat`.
        seed: the seed of all other properties: positions, shades, wording.
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
