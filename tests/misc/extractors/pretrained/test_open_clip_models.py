"""Image and text features of OpenCLIP, compared with the library; refusal of other names and weights."""

import json

import numpy as np
import pytest
import torch
from helpers.pretrained_models import CONTEXT, check_features, refused
from PIL import Image

from misc.extractors.extractor import build_extractor
from misc.extractors.pretrained.torchvision_import import ensure_torchvision
from misc.extractors.text_encoders import build_text_encoder

CONFIG = {
    "embed_dim": 12,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module", autouse=True)
def open_clip():
    """Import the library only in the processes that test it: that takes seconds."""
    ensure_torchvision()
    return pytest.importorskip("open_clip")


@pytest.fixture(scope="module", params=["CLIP", "custom"])
def folder(request, tmp_path_factory, open_clip):
    """The folder of a model, and the model."""
    folder = tmp_path_factory.mktemp("open_clip")
    config = CONFIG | {"custom_text": request.param == "custom"}
    if request.param == "custom":  # with batch normalisation, which depends on the mode
        config["vision_cfg"] = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
    (folder / "tiny.json").write_text(json.dumps(config))
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    open_clip.add_model_config(folder / "tiny.json")
    torch.manual_seed(0)
    model, _, prepare = open_clip.create_model_and_transforms("tiny")
    for x in (p for p in model.visual.parameters() if p.dim() == 1):
        torch.nn.init.uniform_(x, 0.5, 1.5)  # a new network's are 0, with which all images look alike
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder, model.eval(), prepare


@pytest.fixture(params=["folder", "path in the name", "option"])
def named(request, folder):
    """A name and its options."""
    weights = str(folder[0] / "open_clip_pytorch_model.bin")
    return {
        "folder": (f"local-dir:{folder[0]}", {}),
        "path in the name": (f"tiny/{weights}", {}),
        "option": ("tiny", {"weights": weights}),
    }[request.param]


def test_features_are_those_of_the_library(folder, named):
    _, model, prepare = folder

    def expected(frame):
        with torch.no_grad():
            return model.encode_image(prepare(Image.fromarray(frame))[None])[0].numpy()

    check_features(build_extractor(f"open_clip:{named[0]}", named[1], CONTEXT), 12, expected)


def test_text_vectors_are_those_from_which_the_library_makes_its_own(folder, named, open_clip):
    if named[1]:
        return  # options are for extractors
    _, model, _ = folder
    encoder = build_text_encoder(f"open_clip:{named[0]}", "cpu")
    texts = ["a red bird sings", "", "   ", "wow!!?", "one two three four five six seven eight nine ten eleven twelve"]
    found = encoder(texts)
    # "red bird" are a token a word; "!!?" is one of three; twelve words are too many for 12 tokens.
    assert [x.shape for x in found] == [(5, 16), (0, 16), (0, 16), (len(found[3]), 16), (11, 16)]
    assert encoder.dim == 16 and found[0].dtype == np.float32
    projection = getattr(model, "text", model).text_projection
    with torch.no_grad():
        expected = model.encode_text(open_clip.tokenize(texts, context_length=12)).numpy()
    for i in (0, 3, 4):  # the last vector is that of the end
        np.testing.assert_allclose(found[i][-1] @ projection.detach().numpy(), expected[i], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(encoder([texts[i]])[0], found[i], rtol=0, atol=1e-5)
    # What comes later does not matter to a word.
    np.testing.assert_allclose(encoder(["a red"])[0][:2], found[0][:2], rtol=0, atol=1e-5)


def test_file_names_of_text(folder):
    encoder = build_text_encoder(f"open_clip:local-dir:{folder[0]}", "cpu")
    assert encoder.spec == f"open_clip:local-dir:{folder[0]}"
    assert encoder.feat.startswith("open_clip-local-dir-") and "/" not in encoder.feat


@pytest.mark.parametrize(
    "make", [lambda spec: build_extractor(spec, {}, CONTEXT), lambda spec: build_text_encoder(spec, "cpu")]
)
def test_unknown_names_are_refused_without_a_hub(make, tmp_path):
    def tried(name):
        return lambda: make(f"open_clip:{name}")

    refused(tried("nosuch/openai"), "open_clip:nosuch/openai", "'nosuch'")
    refused(tried("ViT-S-32"), "'ViT-S-32'", "weights")
    refused(tried("ViT-S-32-alt/nosuch"), "'ViT-S-32-alt' with weights 'nosuch'", "not a known tag")
    refused(tried("ViT-B-32/laion2b_s34b_b79k"), "weights 'laion2b_s34b_b79k' on the hub", "cannot be reached")
    refused(tried("hf-hub:no/such"), "'hf-hub:no/such' on the hub", "cannot be reached")
    refused(tried(f"local-dir:{tmp_path}"), f"local-dir:{tmp_path}", "config file missing")
    refused(tried(f"local-dir:{tmp_path}/absent"), "absent", "not found")


def test_a_tokenizer_that_is_not_clips(folder, monkeypatch, open_clip):
    name = f"open_clip:local-dir:{folder[0]}"
    monkeypatch.setattr(open_clip, "get_tokenizer", lambda name: lambda texts: None)
    refused(lambda: build_text_encoder(name, "cpu"), f"text encoder '{name}'.*tokenizer.*expected")
    assert build_extractor(name, {}, CONTEXT).dim == 12  # frames need none


def test_weights_that_want_another_activation_get_it(folder, monkeypatch, open_clip):
    path = folder[0]
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny", {"quick": {"quick_gelu": True, "hf_hub": "no/such"}})
    weights = str(path / "open_clip_pytorch_model.bin")
    monkeypatch.setattr("open_clip.factory.download_pretrained", lambda *args, **kwargs: weights)
    encoder = build_text_encoder("open_clip:tiny/quick", "cpu")  # a mismatch would be a warning, and that an error
    plain = build_text_encoder(f"open_clip:local-dir:{path}", "cpu")
    assert np.abs(encoder(["a bird"])[0] - plain(["a bird"])[0]).max() > 1e-5
