"""Image-text models: embeddings and scores of frames and texts, compared with those of the libraries; refusals."""

import itertools

import numpy as np
import pytest
import torch
from helpers.image_text_models import write_open_clip, write_tokenizer, write_transformers
from helpers.pretrained_models import refused, video
from PIL import Image

from misc.extractors.image_text import ZeroShotExtractor, build_image_text_model, digest_weights
from misc.extractors.pretrained import transformers_models
from misc.extractors.pretrained.open_clip_models import OpenClipImageTextModel
from misc.extractors.pretrained.torchvision_import import ensure_torchvision
from misc.extractors.text_encoders import build_text_encoder
from misc.video_reading.media import Media

ensure_torchvision()
pytest.importorskip("open_clip")
pytest.importorskip("transformers")
TEXTS = ["a red bird", "bird", "", "sings " * 20]  # the last one is longer than the models read


@pytest.fixture(autouse=True)
def no_models():
    """Forget models that are loaded: folders of tests have equal names."""
    build_image_text_model.cache_clear()


@pytest.fixture(params=["open_clip", "open_clip sigmoid", "transformers", "transformers sigmoid"])
def library(request, tmp_path):
    """A model by name, its own scores of pictures and texts, (pictures, texts), and the library's own probabilities."""
    family, _, sigmoid = request.param.partition(" ")
    if family == "open_clip":
        import open_clip

        model, prepare = write_open_clip(tmp_path / "model", sigmoid=bool(sigmoid))
        spec = f"open_clip:local-dir:{tmp_path / 'model'}"

        def score(pictures, texts):
            images = model.encode_image(torch.stack([prepare(Image.fromarray(x)) for x in pictures]), normalize=True)
            tokens = open_clip.get_tokenizer(spec.removeprefix("open_clip:"))(texts)
            return images @ model.encode_text(tokens, normalize=True).T
    else:
        model, processor, tokenizer = write_transformers(tmp_path / "model", sigmoid=bool(sigmoid))
        spec = f"transformers:{tmp_path / 'model'}"

        def score(pictures, texts):
            inputs = processor(images=list(pictures), return_tensors="pt")
            images = model.get_image_features(**inputs).pooler_output
            if sigmoid:  # as it was trained, see the documentation of its class
                ids = tokenizer(texts, padding="max_length", max_length=8, truncation=True).input_ids
                tokens = {"input_ids": torch.tensor(ids)}
            else:
                tokens = tokenizer(texts, padding=True, max_length=8, truncation=True, return_tensors="pt")
                tokens = {name: tokens[name] for name in ("input_ids", "attention_mask")}
            embedded = model.get_text_features(**tokens).pooler_output
            return torch.nn.functional.cosine_similarity(images[:, None], embedded[None], dim=2)

    def own_score(pictures, texts):
        with torch.no_grad():
            return score(pictures, texts).numpy()

    return spec, own_score, model


def test_scores_are_those_of_the_library(library):
    spec, score, _ = library
    model = build_image_text_model(spec, "cpu")
    media = video(5)
    found = ZeroShotExtractor(model, 16)(media)
    assert found.features.shape == (5, model.embed_texts(["a"]).shape[1]) and found.words is None
    np.testing.assert_allclose(np.linalg.norm(found.features, axis=1), 1, rtol=1e-5)
    texts = model.embed_texts(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, rtol=1e-5)
    expected = score(media.frames, TEXTS)
    assert expected.std(axis=0).min() > 1e-5 and expected.std(axis=1).min() > 1e-3  # frames and texts differ
    np.testing.assert_allclose(found.features @ texts.T, expected, atol=1e-5)
    for i, text in enumerate(TEXTS):  # which do not depend on each other
        np.testing.assert_allclose(model.embed_texts([text])[0], texts[i], atol=1e-5)


def test_a_text_that_is_cut_is_known(library):
    spec, _, _ = library
    model = build_image_text_model(spec, "cpu")
    assert [model.reads_all(text) for text in TEXTS] == [True, True, True, False]
    assert model.reads_all("a bird?!") and model.reads_all("?")
    texts = [" ".join(["red"] * number) for number in range(1, 16)]
    vectors = model.embed_texts(texts)
    differ = [not np.allclose(x, y, atol=1e-6) for x, y in itertools.pairwise(vectors)]
    assert [model.reads_all(text) for text in texts[1:]] == differ and {True, False} == set(differ)


def test_texts_are_projected_while_word_vectors_are_not(tmp_path):
    reference, _ = write_open_clip(tmp_path / "model")
    spec = f"open_clip:local-dir:{tmp_path / 'model'}"
    end = build_text_encoder(spec, "cpu")(["a red bird"])[0][-1] @ reference.text_projection.detach().numpy()
    (found,) = build_image_text_model(spec, "cpu").embed_texts(["a red bird"])
    assert end.shape == found.shape == (12,) and build_text_encoder(spec, "cpu").dim == 16
    np.testing.assert_allclose(found, end / np.linalg.norm(end), atol=1e-5)


def test_probabilities_are_those_of_the_sigmoid(library):
    spec, score, reference = library
    model = build_image_text_model(spec, "cpu")
    cosine = float(score(video(1).frames, ["a red bird"])[0, 0])
    if getattr(reference, "logit_bias", None) is None:
        assert model.probability(cosine) is None
    else:
        logit = np.exp(reference.logit_scale.item()) * cosine + reference.logit_bias.item()
        assert model.probability(cosine) == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-5)


def test_siglip_of_transformers_scores_as_its_own_forward(tmp_path):
    reference, processor, tokenizer = write_transformers(tmp_path / "model", sigmoid=True)
    model = build_image_text_model(f"transformers:{tmp_path / 'model'}", "cpu")
    frames = video(3).frames
    tokens = torch.tensor(tokenizer(TEXTS, padding="max_length", max_length=8, truncation=True).input_ids)
    with torch.no_grad():
        output = reference(input_ids=tokens, **processor(images=list(frames), return_tensors="pt"))
    cosines = ZeroShotExtractor(model, 3)(video(3)).features @ model.embed_texts(TEXTS).T
    expected = torch.sigmoid(output.logits_per_image).numpy()
    found = [[model.probability(float(x)) for x in row] for row in cosines]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_siglip_reads_lower_case(tmp_path):
    _, _, tokenizer = write_transformers(tmp_path / "model", sigmoid=True)
    model = build_image_text_model(f"transformers:{tmp_path / 'model'}", "cpu")
    model._tokenizer = lambda texts, **options: tokenizer([text.replace("RED", "bird") for text in texts], **options)
    np.testing.assert_array_equal(model.embed_texts(["RED"]), model.embed_texts(["red"]))


def test_frames_have_their_times(tmp_path):
    write_open_clip(tmp_path / "model")
    extractor = ZeroShotExtractor(build_image_text_model(f"open_clip:local-dir:{tmp_path / 'model'}", "cpu"), 4)
    media = video(21)
    media = Media(media.frames, media.times / 8, None)
    found = extractor(media)
    assert found.times == [(t, t) for t in (0.25, 1.0, 1.5, 2.25)]
    for x, (start, end) in zip(found.features, found.times, strict=True):
        (row,) = np.flatnonzero(media.times == start)
        alone = extractor(Media(media.frames[row : row + 1], media.times[row : row + 1], None)).features[0]
        np.testing.assert_allclose(x, alone, atol=1e-5)
        assert start == end
    assert extractor(video(0)) is None


def test_a_file_of_weights(tmp_path):
    write_open_clip(tmp_path / "model")
    folder = build_image_text_model(f"open_clip:local-dir:{tmp_path / 'model'}", "cpu")
    file = build_image_text_model(f"open_clip:small-model/{tmp_path / 'model/open_clip_pytorch_model.bin'}", "cpu")
    assert folder.sha256 == file.sha256
    np.testing.assert_array_equal(folder.embed_texts(TEXTS), file.embed_texts(TEXTS))


def test_weights_have_a_digest_of_any_names():
    torch.manual_seed(0)
    one, other = torch.nn.Linear(3, 4), torch.nn.Linear(3, 4)
    assert digest_weights(one) != digest_weights(other)
    other.load_state_dict(one.state_dict())
    assert digest_weights(one) == digest_weights(other) == digest_weights(torch.nn.Sequential(other))
    with torch.no_grad():
        other.bias[3] += 1e-6
    assert digest_weights(one) != digest_weights(other)
    assert digest_weights(one.half()) != digest_weights(other)


def test_unknown_models_are_refused(tmp_path):
    def tried(spec):
        return lambda: build_image_text_model(spec, "cpu")

    for spec in ("ViT-B-32", "timm:resnet18", "open_clip:", "/some/file.pt"):
        refused(tried(spec), f"image-text model '{spec}': unknown, expected open_clip:<name> or transformers:<name>")
    refused(tried("open_clip:ViT-B-32/openai"), "'openai' on the hub", "cannot be reached, expected a copy on disk")
    refused(tried("transformers:openai/clip-vit-base-patch32"), "on the hub", "cannot be reached, expected a copy on disk")
    refused(tried(f"open_clip:local-dir:{tmp_path}"), f"local-dir:{tmp_path}", "config file missing")
    refused(tried(f"transformers:{tmp_path}"), f"folder '{tmp_path}'")


def test_models_of_images_or_texts_only_are_refused(tmp_path):
    import transformers

    write_tokenizer(tmp_path)
    sizes = {"image_size": 32, "patch_size": 8, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    transformers.ViTModel(transformers.ViTConfig(**sizes)).save_pretrained(tmp_path)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    refused(lambda: build_image_text_model(f"transformers:{tmp_path}", "cpu"), "ViTModel does not compare images and texts")


def test_frames_and_texts_of_different_dimension_are_refused(tmp_path, monkeypatch):
    write_open_clip(tmp_path / "model")
    encode = OpenClipImageTextModel.encode_images
    monkeypatch.setattr(OpenClipImageTextModel, "encode_images", lambda self, inputs: encode(self, inputs)[:, :2])
    spec = f"open_clip:local-dir:{tmp_path / 'model'}"
    refused(lambda: build_image_text_model(spec, "cpu"), r"embeds an image as \(1, 2\) and two texts as \(2, 12\), expected")


def test_a_model_of_frames_with_further_inputs_is_refused(tmp_path, monkeypatch):
    """SigLIP 2 for pictures of any aspect is one."""
    write_transformers(tmp_path / "model")
    cls = transformers_models.TransformersImageTextModel
    monkeypatch.setattr(cls, "encode_images", lambda self, inputs: self._model.get_image_features(inputs, size=1, mask=2).x)
    refused(lambda: build_image_text_model(f"transformers:{tmp_path / 'model'}", "cpu"), "found none that can be used")


def test_a_model_without_weights_of_its_pooler_is_refused(tmp_path, monkeypatch):
    write_transformers(tmp_path / "model")
    load = transformers_models.load_pretrained
    monkeypatch.setattr(transformers_models, "load_pretrained", lambda *args: (load(*args)[0], False))
    refused(lambda: build_image_text_model(f"transformers:{tmp_path / 'model'}", "cpu"), "no weights for its pooler")
