"""A small grammar for the captions of a clip, and for the words of its narrator.

Each caption says what moves and how, names some of the other attributes of the clip, and varies their order and their words.
"""

import functools
from typing import Any

import numpy as np

from misc.demo.clips import VOCABULARY, Clip

CAPTIONS = 5

SHAPES, COLORS, TEXTURES, SIZES = (VOCABULARY[name] for name in ("shape", "color", "texture", "size"))
MOTIONS, PLACES, SOUNDS, HAIRS, TOPICS = (VOCABULARY[name] for name in ("motion", "place", "sound", "hair", "topic"))
SIGNS = ("a sign says {}", "the word {} is written above", "one reads {} on a board", "{} stands above in letters")
SPEAKERS = ("a voice talks about {}", "a narrator tells of {}", "one hears a talk about {}", "somebody speaks of {}")
MOODS = {True: ("smiling", "cheerful", "laughing"), False: ("sad", "frowning", "gloomy")}
LOOKS = ("{} looks on", "{} is watching", "we see {}")


def narrator_words(clip: Clip) -> list[str]:
    """Return the words of the narrator; an empty list for a clip without a narrator."""
    if clip.topic is None:
        return []
    rng = clip.rng(2)
    nouns, verbs = (TOPICS[clip.topic][kind].split() for kind in ("nouns", "verbs"))
    content = [str(x) for x in (*rng.choice(nouns, 4, replace=False), *rng.choice(verbs, 3, replace=False))]
    filler = ["and", "then", "the", "we", "with", "now", "so"]
    return [word for pair in zip(rng.permutation(filler), rng.permutation(content), strict=True) for word in map(str, pair)]


def make_captions(clip: Clip) -> list[list[str]]:
    """Return `CAPTIONS` different captions of a clip as lists of words."""
    rng = clip.rng(3)
    captions: dict[str, list[str]] = {}
    while len(captions) < CAPTIONS:
        words = _make_caption(clip, rng)
        captions[" ".join(words)] = words
    return list(captions.values())


def _make_caption(clip: Clip, rng: np.random.Generator) -> list[str]:
    choose = functools.partial(_choose, rng)
    adjectives = [choose(COLORS[clip.color])] if rng.random() < 0.5 else []
    if rng.random() < (0.1 if clip.texture == "plain" else 0.35):
        adjectives.insert(0, choose(TEXTURES[clip.texture]))
    if clip.motion not in ("grow", "shrink") and rng.random() < 0.25:
        adjectives.insert(0, choose(SIZES[clip.size]))
    thing = _with_article(" ".join([*adjectives, choose(SHAPES[clip.shape])]))
    verb, participle = choose(MOTIONS[clip.motion])
    place = " " + choose(PLACES[clip.place]) if rng.random() < 0.4 else ""

    others = []
    if clip.sound and rng.random() < 0.45:
        others.append(choose(SOUNDS[clip.sound]))
    if clip.word and rng.random() < 0.4:
        others.append(choose(SIGNS).format(clip.word.lower()))
    if clip.topic and rng.random() < 0.4:
        topic = TOPICS[clip.topic]
        subject = choose([*topic["subjects"], *topic["nouns"].split()])
        others.append(choose(SPEAKERS).format(subject))
    if clip.hair and rng.random() < 0.45:
        others.append(choose(LOOKS).format(_describe_person(clip, rng)))
    others = [others[i] for i in rng.permutation(len(others))[:2]]

    if others and rng.random() < 0.3:
        first, *rest = others
        sentence = f"{first} {choose(('while', 'as'))} {thing} {verb}{place}"
    else:
        rest = others
        moves = f"{participle}{place}"
        sentence = choose((f"{thing} {verb}{place}", f"{thing} is {moves}", f"there is {thing} {moves}"))
    return " and ".join([sentence, *rest]).split()


def _describe_person(clip: Clip, rng: np.random.Generator) -> str:
    adjectives = [_choose(rng, MOODS[clip.smiling])] if rng.random() < 0.6 else []
    if rng.random() < 0.5:
        adjectives.append(_choose(rng, HAIRS[clip.hair]))
    worn = [name for name, is_worn in (("glasses", clip.glasses), ("a hat", clip.hat)) if is_worn and rng.random() < 0.6]
    person = _with_article(" ".join([*adjectives, _choose(rng, ("person", "viewer", "spectator"))]))
    return f"{person} with {' and '.join(worn)}" if worn else person


def _choose(rng: np.random.Generator, options: list | tuple) -> Any:
    return options[rng.integers(len(options))]


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
