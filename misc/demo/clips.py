"""The attributes of the clips of the Demo dataset, and words for their values.

Clips come in families whose members differ from the first in one attribute each, so that a model has to understand the whole
caption.
"""

import dataclasses

import numpy as np

# Values of attributes -> words for them.
SHAPES = {
    "disc": ("disc", "ball", "circle", "dot"),
    "square": ("square", "box", "block"),
    "triangle": ("triangle", "wedge", "pyramid"),
    "star": ("star", "starfish", "five pointed star"),
    "heart": ("heart", "valentine", "love symbol"),
    "ring": ("ring", "hoop", "doughnut"),
    "cross": ("cross", "plus sign", "plus"),
    "crescent": ("crescent", "half moon", "sickle"),
}
COLORS = {
    "red": ("red", "scarlet", "crimson"),
    "orange": ("orange", "tangerine", "orange coloured"),
    "yellow": ("yellow", "golden", "lemon coloured"),
    "green": ("green", "emerald", "grassy green"),
    "blue": ("blue", "azure", "cobalt blue"),
    "purple": ("purple", "violet", "plum coloured"),
    "pink": ("pink", "rosy", "magenta"),
    "brown": ("brown", "chocolate coloured", "chestnut"),
    "white": ("white", "snowy white", "pale"),
    "black": ("black", "jet black", "pitch dark"),
}
TEXTURES = {"plain": ("plain", "smooth"), "striped": ("striped", "streaky"), "dotted": ("dotted", "spotted", "speckled")}
SIZES = {"small": ("small", "tiny", "little"), "large": ("large", "big", "huge")}
# Pairs of a finite verb and a participle.
MOTIONS = {
    "right": (("slides to the right", "sliding to the right"), ("drifts rightwards", "drifting rightwards")),
    "left": (("slides to the left", "sliding to the left"), ("drifts leftwards", "drifting leftwards")),
    "rise": (("rises", "rising"), ("floats up", "floating up"), ("climbs higher", "climbing higher")),
    "fall": (("falls", "falling"), ("sinks down", "sinking down"), ("drops", "dropping")),
    "bounce": (("bounces", "bouncing"), ("hops up and down", "hopping up and down"), ("jumps about", "jumping about")),
    "spin": (("spins", "spinning"), ("rotates", "rotating"), ("turns like a wheel", "turning like a wheel")),
    "grow": (("grows", "growing"), ("swells", "swelling"), ("gets bigger", "getting bigger")),
    "shrink": (("shrinks", "shrinking"), ("dwindles", "dwindling"), ("gets smaller", "getting smaller")),
    "shake": (("shakes", "shaking"), ("trembles", "trembling"), ("jitters", "jittering")),
    "circle": (("circles round", "circling round"), ("orbits", "orbiting"), ("goes in loops", "going in loops")),
}
PLACES = {
    "meadow": ("over a meadow", "above green hills", "in a grassy field"),
    "sea": ("above the sea", "over the ocean", "by the water with its waves"),
    "night": ("at night", "under the stars", "in the midnight sky"),
    "desert": ("in the desert", "above sand dunes", "among cactuses"),
    "snow": ("in the snow", "on a winter day", "among snowflakes"),
    "city": ("in the city", "in front of a skyline", "before tall buildings"),
    "forest": ("in a forest", "in the woods", "among tree trunks"),
    "wall": ("in front of a brick wall", "before some masonry", "against bricks"),
}
SOUNDS = {
    "bell": ("a bell rings", "chimes ring out"),
    "drum": ("a drum beats", "someone is drumming"),
    "siren": ("a siren howls", "an alarm wails"),
    "whistle": ("a whistle blows", "somebody whistles"),
    "rain": ("rain pours", "a shower patters"),
    "engine": ("an engine hums", "a motor runs"),
    "melody": ("a melody plays", "a tune is played"),
    "clapping": ("people clap", "applause breaks out"),
    "clock": ("a clock ticks", "something goes tick tock"),
    "bird": ("a bird chirps", "a sparrow twitters"),
}
WORDS = (
    *("SALE", "EXIT", "STOP", "HELLO", "OPEN", "CLOSED", "DANGER", "WELCOME", "FREE", "QUIET", "COFFEE", "BAKERY", "HOTEL"),
    *("LIBRARY", "MUSEUM", "STATION", "POLICE", "PHARMACY", "CINEMA", "SCHOOL", "MARKET", "BANK", "GARAGE", "TICKETS"),
)
TOPICS = {
    "cooking": ("a recipe", "cooking"),
    "weather": ("the weather", "a forecast"),
    "football": ("a football match", "the game"),
    "history": ("history", "old kings"),
    "music": ("music", "a concert"),
    "space": ("space", "planets"),
    "travel": ("travelling", "a journey"),
    "gardening": ("gardening", "growing vegetables"),
    "health": ("health", "staying fit"),
    "money": ("money", "prices"),
}
HAIRS = {
    "dark": ("dark haired", "brunette"),
    "blond": ("blond", "fair haired"),
    "ginger": ("ginger", "redheaded"),
    "grey": ("grey haired", "silver haired"),
}

FAMILY = 4  # clips per family
# Attribute -> its values, and the share of clips that have it.
ATTRIBUTES: dict[str, tuple[tuple, float]] = {
    "shape": (tuple(SHAPES), 1.0),
    "color": (tuple(COLORS), 1.0),
    "texture": (tuple(TEXTURES), 1.0),
    "size": (tuple(SIZES), 1.0),
    "motion": (tuple(MOTIONS), 1.0),
    "place": (tuple(PLACES), 1.0),
    "sound": (tuple(SOUNDS), 0.6),
    "word": (WORDS, 0.5),
    "topic": (tuple(TOPICS), 0.4),
    "hair": (tuple(HAIRS), 0.45),
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
