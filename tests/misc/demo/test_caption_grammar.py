"""Captions and narrations of clips of the Demo."""

import numpy as np

from data_loader.experts import EXPERTS
from misc.demo import caption_grammar
from misc.demo.clips import plan_clips


def test_captions_of_a_clip_differ_and_none_names_an_expert():
    for clip in plan_clips(300, 0):
        said = caption_grammar.make_captions(clip)
        assert len({" ".join(words) for words in said}) == len(said) == caption_grammar.CAPTIONS
        for words in said:
            assert all(word.isalpha() and word == word.lower() for word in words)
            assert not set(words) & {*EXPERTS, "color", "colour", "shape", "motion", "place", "sound", "texture", "scenery"}


def test_captions_say_what_the_clip_shows_and_nothing_else():
    """Every synonym in a caption is of the clip's own value."""
    clips = plan_clips(300, 1)
    for clip in clips:
        said = [" ".join(words) for words in caption_grammar.make_captions(clip)]
        for text in said:
            assert any(f" {name}" in f" {text}" for name in caption_grammar.SHAPES[clip.shape])
            assert any(phrase in text for pair in caption_grammar.MOTIONS[clip.motion] for phrase in pair)
            for value, phrases in caption_grammar.SOUNDS.items():
                assert value == clip.sound or not any(phrase in text for phrase in phrases)
            for value, phrases in caption_grammar.PLACES.items():
                assert value == clip.place or not any(phrase in text for phrase in phrases)
            assert ("glasses" not in text) or clip.glasses
            assert clip.hair or not any(word in text.split() for word in ("person", "viewer", "spectator"))


def test_captions_name_what_is_seen_read_and_heard_in_their_shares():
    """Some captions name an attribute that the clip has, and some leave it out."""
    clips = plan_clips(400, 4)
    named = {"word": [], "sound": [], "topic": [], "hair": [], "place": [], "color": []}
    for clip in clips:
        for text in (" ".join(words) for words in caption_grammar.make_captions(clip)):
            phrases = {
                "word": (clip.word or "").lower().split(),
                "sound": caption_grammar.SOUNDS.get(clip.sound, ()),
                "topic": [speaker.split("{")[0].strip() for speaker in caption_grammar.SPEAKERS],
                "hair": ("person", "viewer", "spectator"),
                "place": caption_grammar.PLACES[clip.place],
                "color": caption_grammar.COLORS[clip.color],
            }
            for name, found in named.items():
                if getattr(clip, name) is not None:
                    found.append(any(phrase in text for phrase in phrases[name]))
    shares = {name: np.mean(found) for name, found in named.items()}
    assert all(0.25 < share < 0.6 for share in shares.values()), shares


def test_narrators_speak_of_their_topic():
    for clip in plan_clips(100, 2):
        words = caption_grammar.narrator_words(clip)
        assert bool(words) == (clip.topic is not None)
        if words:
            nouns, verbs = (caption_grammar.TOPICS[clip.topic][kind].split() for kind in ("nouns", "verbs"))
            assert len(set(words) & set(nouns)) == 4 and len(set(words) & set(verbs)) == 3
