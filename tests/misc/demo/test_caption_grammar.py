"""What clips of the Demo show, how they are described, and the vectors of the words."""

import dataclasses

import numpy as np
from scipy.sparse.linalg import svds

from data_loader.experts import EXPERTS
from misc.demo import caption_grammar, experts
from misc.demo.clips import ATTRIBUTES, FAMILY, PERSON, plan_clips


def test_members_of_a_family_differ_from_the_first_in_one_attribute_each():
    clips = plan_clips(200, 3)
    for start in range(0, 200, FAMILY):
        first = dataclasses.asdict(clips[start])
        changed = []
        for clip in clips[start + 1 : start + FAMILY]:
            other = dataclasses.asdict(clip)
            changed += [name for name in first if first[name] != other[name] and name != "seed"]
            assert other["seed"] != first["seed"]
        assert len(changed) == len(set(changed)) == FAMILY - 1
    assert all((clip.hair is not None) or not set(PERSON) & {"hair"} for clip in clips)


def test_attributes_have_their_shares():
    clips = plan_clips(2000, 0)
    for name, (values, share) in ATTRIBUTES.items():
        found = [getattr(clip, name) for clip in clips]
        assert set(found) - {None} == set(values)
        assert abs(np.mean([x is not None for x in found]) - share) < 0.1


def test_captions_of_a_clip_differ_and_none_names_an_expert():
    for clip in plan_clips(300, 0):
        said = caption_grammar.make_captions(clip)
        assert len({" ".join(words) for words in said}) == len(said) == caption_grammar.CAPTIONS
        for words in said:
            assert all(word.isalpha() and word == word.lower() for word in words)
            assert not set(words) & {*EXPERTS, "color", "colour", "shape", "motion", "place", "sound", "texture", "scenery"}


def test_captions_say_what_the_clip_shows_and_nothing_else():
    """Every word of a family of synonyms that is found belongs to the clip's own value."""
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
    """Of the clips that have it, some captions name it and some leave it out."""
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


def test_word_vectors_factorise_positive_mutual_information():
    rng = np.random.default_rng(0)
    names = [f"w{i}" for i in range(12)]
    texts = [["always", *rng.choice(names, 4)] for _ in range(60)]
    vectors = experts.word_vectors(texts, 5)
    words = sorted({word for text in texts for word in text})
    information = np.zeros((len(words), len(words)))
    for i, one in enumerate(words):
        for j, other in enumerate(words):
            both = sum(one in text and other in text for text in texts)
            if both:
                p = both / 60 / (sum(one in text for text in texts) / 60 * sum(other in text for text in texts) / 60)
                information[i, j] = max(0.0, np.log(p))
    left, values, _ = svds(information, 5)
    expected = left * np.sqrt(values)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True).clip(min=1e-6)
    found = np.stack([vectors[word] for word in words])
    assert np.allclose(found @ found.T, expected @ expected.T, atol=1e-6)
    assert not vectors["always"].any()
