"""Image features of timm, compared with the library; refusal of other names and weights."""

import numpy as np
import pytest
import torch
from helpers.pretrained_models import CONTEXT, check_features, refused
from PIL import Image
from safetensors.torch import save_file

from misc.extractors.extractor import build_extractor
from misc.extractors.pretrained.torchvision_import import ensure_torchvision

NAME = "test_resnet"  # the smallest of timm


@pytest.fixture(scope="module", autouse=True)
def timm():
    """Import the library only in the processes that test it: that takes seconds."""
    ensure_torchvision()
    return pytest.importorskip("timm")


@pytest.fixture(scope="module")
def model(timm):
    torch.manual_seed(0)
    return timm.create_model(NAME, pretrained=False).eval()


@pytest.fixture(params=[".pth", ".safetensors"])
def weights(request, model, tmp_path):
    path = tmp_path / f"w{request.param}"
    state = model.state_dict()
    save_file(state, path) if path.suffix == ".safetensors" else torch.save({"state_dict": state}, path)
    return str(path)


def test_features_are_those_of_the_library(model, weights, timm):
    extractor = build_extractor(f"timm:{NAME}", {"weights": weights}, CONTEXT)

    def expected(frame):
        config = timm.data.resolve_model_data_config(model)
        image = timm.data.create_transform(**config)(Image.fromarray(frame))[None]
        with torch.no_grad():
            return model.forward_head(model.forward_features(image), pre_logits=True)[0].numpy()

    check_features(extractor, model.num_features, expected)


def test_unknown_names_are_refused_without_a_hub():
    refused(lambda: build_extractor("timm:nosuch", {}, CONTEXT), "timm:nosuch", "Unknown model")
    refused(lambda: build_extractor(f"timm:{NAME}", {}, CONTEXT), f"'{NAME}' on the hub", "cannot be reached")
    refused(lambda: build_extractor("timm:hf-hub:no/such", {}, CONTEXT), "'hf-hub:no/such' on the hub", "cannot be reached")


def test_files_that_are_not_weights_are_refused(tmp_path, model):
    def tried(path):
        return lambda: build_extractor(f"timm:{NAME}", {"weights": str(path)}, CONTEXT)

    refused(tried(tmp_path / "absent.pth"), "weights '.*absent.pth'")
    (tmp_path / "text.pth").write_text("no weights")
    refused(tried(tmp_path / "text.pth"), "weights '.*text.pth'")
    torch.save({"conv1.weight": np.float64}, tmp_path / "code.pth")  # a name that a pickle asks for
    refused(tried(tmp_path / "code.pth"), "weights '.*code.pth'", "weights_only")
    state = model.state_dict()
    state.pop("layer2.0.conv1.weight")
    torch.save(state, tmp_path / "part.pth")
    refused(tried(tmp_path / "part.pth"), "no weights for 'layer2.0.conv1.weight'")
