"""Image features and word vectors of transformers, compared with the library; refusal of other models."""

import json

import numpy as np
import pytest
import torch
from helpers.pretrained_models import CONTEXT, check_features, refused, video

from misc.extractors.extractor import build_extractor
from misc.extractors.pretrained.hub import load_pretrained
from misc.extractors.pretrained.torchvision_import import ensure_torchvision
from misc.extractors.text_encoders import build_text_encoder

ensure_torchvision()
transformers = pytest.importorskip("transformers")
VIT = {"image_size": 32, "patch_size": 8, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
VIT |= {"intermediate_size": 24}
TEXT = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}


def vit(**pooling):
    return transformers.ViTModel(transformers.ViTConfig(**VIT), **pooling)


def resnet():
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    return transformers.ResNetModel(config)


def segformer():
    sizes = {"num_encoder_blocks": 2, "depths": [1, 1], "hidden_sizes": [8, 16], "num_attention_heads": [1, 2]}
    sizes |= {"sr_ratios": [2, 1], "patch_sizes": [7, 3], "strides": [4, 2], "mlp_ratios": [2, 2]}
    return transformers.SegformerModel(transformers.SegformerConfig(**sizes))


def clip():
    config = transformers.CLIPConfig(vision_config=VIT, text_config=TEXT, projection_dim=12)
    return transformers.CLIPModel(config)


def ijepa():
    return transformers.IJepaModel(transformers.IJepaConfig(**VIT), add_pooling_layer=False)


def classifier():
    return transformers.ViTForImageClassification(transformers.ViTConfig(**VIT, num_labels=3))


# The model, and what is to be taken of it.
MODELS = {
    "pooled by weights": (vit, 16, lambda model, x: model(x).pooler_output),
    "pooled, of maps": (resnet, 16, lambda model, x: model(x).last_hidden_state.mean(dim=(2, 3))),
    "image features": (clip, 12, lambda model, x: model.visual_projection(model.vision_model(x).pooler_output)),
    "published without a pooler": (classifier, 16, lambda model, x: model.vit(x).last_hidden_state[:, 0]),
    "without a pooler": (lambda: vit(add_pooling_layer=False), 16, lambda model, x: model(x).last_hidden_state[:, 0]),
    "without a class token": (ijepa, 16, lambda model, x: model(x).last_hidden_state.mean(dim=1)),
    "maps": (segformer, 16, lambda model, x: model(x).last_hidden_state.mean(dim=(2, 3))),
}


@pytest.fixture(autouse=True, scope="module")
def quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


@pytest.mark.parametrize("kind", MODELS)
def test_features_are_those_of_the_library(kind, tmp_path):
    make, dim, expected = MODELS[kind]
    torch.manual_seed(0)
    model = make().eval()
    model.save_pretrained(tmp_path)
    size, mean = {"height": 32, "width": 32}, [0.4, 0.5, 0.6]
    transformers.ViTImageProcessor(size=size, image_mean=mean, image_std=[0.5] * 3).save_pretrained(tmp_path)

    def of_frame(frame):
        x = torch.from_numpy((frame / np.float32(255) - np.float32(mean)) / np.float32(0.5)).permute(2, 0, 1)[None]
        with torch.no_grad():
            return expected(model, x)[0].numpy()

    check_features(build_extractor(f"transformers:{tmp_path}", {}, CONTEXT), dim, of_frame, height=32, width=32)


def language_model(folder, **config):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "bird", "sings"]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizer(str(folder / "vocab.txt"), model_max_length=8).save_pretrained(folder)
    torch.manual_seed(0)
    model = transformers.BertModel(transformers.BertConfig(**(TEXT | config))).eval()
    model.save_pretrained(folder)
    return model


def test_text_vectors_are_the_last_hidden_states_of_the_words(tmp_path):
    model = language_model(tmp_path)
    encoder = build_text_encoder(f"transformers:{tmp_path}", "cpu")
    texts = ["a red bird", "", "bird", "sings " * 20]
    found = encoder(texts)
    assert [x.shape for x in found] == [(3, 16), (0, 16), (1, 16), (6, 16)]
    assert encoder.dim == 16 and found[0].dtype == np.float32
    with torch.no_grad():
        expected = model(torch.tensor([[2, 4, 5, 6, 3]])).last_hidden_state[0, 1:4]
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)
    for i in range(4):
        np.testing.assert_allclose(encoder([texts[i]])[0], found[i], rtol=0, atol=1e-5)


def test_half_precision_is_computed_in_full(tmp_path):
    model = vit().eval().half()
    model.save_pretrained(tmp_path)
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    processor.save_pretrained(tmp_path)
    media = video(1)
    with torch.no_grad():
        expected = model.float()(**processor(images=media.frames[0], return_tensors="pt")).pooler_output
    found = build_extractor(f"transformers:{tmp_path}", {}, CONTEXT)(media).features
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "make", [lambda spec: build_extractor(spec, {}, CONTEXT), lambda spec: build_text_encoder(spec, "cpu")]
)
def test_unknown_names_are_refused_without_a_hub(make, tmp_path):
    refused(lambda: make("transformers:no/such"), "'no/such' on the hub", "cannot be reached")
    refused(lambda: make(f"transformers:{tmp_path}"), f"folder '{tmp_path}'")
    refused(lambda: make(f"transformers:{tmp_path}/absent"), "absent' on the hub", "no such folder")


def test_models_of_another_kind_are_refused(tmp_path):
    language_model(tmp_path)
    refused(lambda: build_extractor(f"transformers:{tmp_path}", {}, CONTEXT), f"folder '{tmp_path}'")
    resnet().save_pretrained(tmp_path)  # beside a tokenizer
    refused(lambda: build_text_encoder(f"transformers:{tmp_path}", "cpu"), f"folder '{tmp_path}'")


def test_an_image_model_that_hides_random_patches_is_refused(tmp_path):
    sizes = {"decoder_num_attention_heads": 2, "decoder_hidden_size": 16, "decoder_num_hidden_layers": 1}
    transformers.ViTMAEModel(transformers.ViTMAEConfig(**VIT, **sizes)).save_pretrained(tmp_path)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    refused(lambda: build_extractor(f"transformers:{tmp_path}", {}, CONTEXT), "random")


@pytest.mark.parametrize(
    "make", [lambda spec: build_extractor(spec, {}, CONTEXT), lambda spec: build_text_encoder(spec, "cpu")]
)
def test_code_that_comes_with_a_model_is_not_run(make, tmp_path):
    ran = tmp_path / "ran"
    code = f"import pathlib\npathlib.Path({str(ran)!r}).touch()\nclass A: pass\nclass B: pass\nclass C: pass\n"
    (tmp_path / "code.py").write_text(code)
    names = {
        "AutoConfig": "code.A",
        "AutoModel": "code.B",
        "AutoTokenizer": ["code.C", None],
        "AutoImageProcessor": "code.C",
    }
    for name in ("config", "preprocessor_config", "tokenizer_config"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"model_type": "mine", "auto_map": names}))
    refused(lambda: make(f"transformers:{tmp_path}"), f"folder '{tmp_path}'")
    with pytest.raises(ValueError):
        load_pretrained(transformers.AutoModel, tmp_path)
    assert not ran.exists()


def test_missing_weights_are_refused(tmp_path):
    model = language_model(tmp_path)
    state = model.state_dict()
    state.pop("encoder.layer.1.output.dense.weight")
    model.save_pretrained(tmp_path, state_dict=state)
    refused(
        lambda: build_text_encoder(f"transformers:{tmp_path}", "cpu"), "no weights for 'encoder.layer.1.output.dense.weight'"
    )
