"""Words that Whisper recognizes, compared with the library; refusal of other names and languages."""

import json

import numpy as np
import pytest
import torch
from helpers.pretrained_models import CONTEXT, refused, video

from misc.extractors.extractor import build_extractor
from misc.extractors.pretrained.torchvision_import import ensure_torchvision
from misc.video_reading.media import SAMPLE_RATE, Media

ensure_torchvision()
transformers = pytest.importorskip("transformers")
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>", "<|transcribe|>"]
SPECIAL += ["<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
WORDS = ["Ġred", "Ġbird", "Ġsings", ".", "Ġ"]


def make(folder, several=True):
    """Return a tiny Whisper with random weights and a small vocabulary."""
    vocabulary = {word: i for i, word in enumerate([*WORDS, *SPECIAL])}
    ids = {word: vocabulary[word] for word in SPECIAL}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_target_positions": 24, "num_mel_bins": 8}
    end, begin = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    config = transformers.WhisperConfig(
        vocab_size=len(vocabulary),
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=begin,
        init_std=1.0,
        **sizes,
    )
    torch.manual_seed(3)
    model = transformers.WhisperForConditionalGeneration(config).eval()
    languages = {w: ids[w] for w in ("<|en|>", "<|de|>")}
    tasks = {"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]}
    suppressed = [i for w, i in ids.items() if w != "<|endoftext|>"]
    model.generation_config = transformers.GenerationConfig(
        decoder_start_token_id=begin,
        eos_token_id=end,
        pad_token_id=end,
        max_length=12,
        suppress_tokens=suppressed,
        begin_suppress_tokens=[end],
        no_timestamps_token_id=ids["<|notimestamps|>"],
        is_multilingual=several,
        **({"lang_to_id": languages, "task_to_id": tasks} if several else {}),
    )
    model.save_pretrained(folder)
    words = transformers.WhisperTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), extra_special_tokens=SPECIAL, model_max_length=24
    )
    transformers.WhisperProcessor(transformers.WhisperFeatureExtractor(feature_size=8), words).save_pretrained(folder)
    return model


@pytest.fixture(scope="module", params=[True, False], ids=["multilingual", "English"])
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whisper")
    make(folder, request.param)
    return folder, request.param


def test_words_are_those_of_the_library_window_after_window(folder):
    path, several = folder
    extractor = build_extractor(f"whisper:{path}", {"language": "de"} if several else {}, CONTEXT)
    sound = video(seconds=70).sound
    found = extractor(Media(np.zeros((0, 2, 2, 3), np.uint8), np.zeros(0), sound))

    processor = transformers.WhisperProcessor.from_pretrained(path)
    model = transformers.WhisperForConditionalGeneration.from_pretrained(path).eval()
    options = {"language": "de", "task": "transcribe"} if several else {}
    expected = []
    for start, end in ((0, 30), (30, 60), (60, 70)):
        window = sound[start * SAMPLE_RATE : end * SAMPLE_RATE]
        heard = processor.feature_extractor(window, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        assert heard.shape == (1, 8, 3000)
        tokens = model.generate(heard, do_sample=False, **options)
        expected += [w for w in processor.decode(tokens[0], skip_special_tokens=True).split() if w != "."]
    assert len(expected) > 5 and len(set(expected)) > 1
    assert found.words == expected
    assert found.features.tolist() == [[len(word), 1] for word in expected]
    assert (extractor.dim, extractor.aggregation) == (2, "vlad")
    assert extractor(Media(video().frames, np.zeros(5), sound)).words == found.words


def test_no_sound_no_words(folder):
    extractor = build_extractor(f"whisper:{folder[0]}", {}, CONTEXT)
    for sound in (None, np.zeros(0, np.float32), np.zeros(5 * SAMPLE_RATE, np.float32)):
        assert extractor(Media(video().frames, np.zeros(5), sound)) is None
    extractor._processor.batch_decode = lambda *args, **kwargs: [" . ... "]
    assert extractor(video(seconds=1)) is None


def test_unknown_names_are_refused_without_a_hub(tmp_path):
    refused(lambda: build_extractor("whisper:tiny", {}, CONTEXT), "'openai/whisper-tiny' on the hub", "cannot be reached")
    refused(lambda: build_extractor("whisper:no such", {}, CONTEXT), "'openai/whisper-no such' on the hub")
    refused(lambda: build_extractor(f"whisper:{tmp_path}", {}, CONTEXT), f"folder '{tmp_path}'")


def test_an_unknown_language_is_refused(folder):
    path, several = folder
    refused(
        lambda: build_extractor(f"whisper:{path}", {"language": "xx"}, CONTEXT),
        f"whisper:{path}",
        "language.*'xx'.*expected",
    )
    if not several:
        refused(
            lambda: build_extractor(f"whisper:{path}", {"language": "de"}, CONTEXT),
            f"whisper:{path}",
            "language.*'de'.*expected",
        )
