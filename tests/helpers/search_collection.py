"""A small collection with a checkpoint and a stub of a text encoder, for tests of search."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from base.checkpoint import save_checkpoint
from misc.searching.building import build_index
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.index.faiss_store import FaissStore
from misc.searching.index.metadata import IndexMetadata
from misc.searching.index.milvus_store import MilvusStore
from misc.searching.index.vector_store import IndexLocation
from misc.searching.searcher import Searcher
from model.similarity import TextEmbedding, VideoEmbedding
from parse_config import ConfigParser
from trainer.build import build_model

TEXT_DIM = 10
LOCATION = IndexLocation("Toy")
CPU = torch.device("cpu")


def make_metadata(experts, dims, **more):
    metadata = {"collection": "Toy", "checkpoint": "model.pth", "sha256": "0" * 64, "experts": experts, "dims": dims}
    return IndexMetadata(**{**metadata, "keep_missing": False, "l2renorm": False, "kind": "flat", **more})


def create_store(folder, metadata, milvus=False):
    """Create an index without videos in `folder`."""
    folder.mkdir(exist_ok=True)
    return open_store(folder, milvus, metadata=metadata)


def open_store(folder, milvus=False, **options):
    """Open the existing index."""
    return (
        MilvusStore(str(folder / "milvus.db"), "Toy", folder, **options)
        if milvus
        else FaissStore(folder / "index", **options)
    )


def open_searcher(location, checkpoint, encoder=None, config=None):
    """Return a searcher of an existing index."""
    embedder = Embedder(checkpoint, config=config)
    collection = Collection(location.name, location.folder, embedder.config, embedder.experts)
    return Searcher(embedder, collection, location.open(), encoder)


def open_new_index(checkpoint, kind="flat", location=LOCATION):
    """Return a searcher of an index that is built now."""
    embedder = Embedder(checkpoint, CPU)
    build_index(embedder, Collection(location.name, location.folder, embedder.config, embedder.experts), location, kind)
    return open_searcher(location, checkpoint)


def random_videos(number, dims, seed=0, share=0.6):
    """Return ids, availability as it is stored, and random embeddings of length 1."""
    rng = np.random.default_rng(seed)
    experts = [torch.from_numpy(rng.normal(size=(number, dim)).astype(np.float32)) for dim in dims]
    experts = [x / x.norm(dim=1, keepdim=True) for x in experts]
    available = torch.from_numpy((rng.random((number, len(dims))) < share).astype(np.float32))
    has = ["".join(str(int(x)) for x in row) for row in available]
    return [f"v{i}" for i in range(number)], has, VideoEmbedding(experts, available)


def random_texts(number, dims, seed=1):
    """Return random queries."""
    rng = np.random.default_rng(seed)
    experts = [torch.from_numpy(rng.normal(size=(number, dim)).astype(np.float32)) for dim in dims]
    weights = torch.from_numpy(rng.normal(size=(number, len(dims))).astype(np.float32)).softmax(dim=1)
    return TextEmbedding(experts, weights)


def select_videos(videos, chosen):
    """Return some of the videos of `random_videos`, by their numbers."""
    ids, has, video = videos
    chosen = list(chosen)
    embedding = VideoEmbedding([x[chosen] for x in video.experts], video.available[chosen])
    return [ids[i] for i in chosen], [has[i] for i in chosen], embedding


class StubEncoder:
    """An encoder whose word vectors only depend on the letters; "?" is not a word."""

    def __init__(self, spec="stub", feat="toy", dim=TEXT_DIM):
        self.spec, self.feat, self.dim = spec, feat, dim

    def __call__(self, texts):
        return [self._vectors(text) for text in texts]

    def _vectors(self, text):
        words = [word for word in text.split() if word != "?"]
        vectors = [np.random.default_rng(zlib.crc32(word.encode())).normal(size=self.dim) for word in words]
        return np.array(vectors, dtype=np.float32).reshape(len(words), self.dim)


@pytest.fixture
def stub_encoder(monkeypatch):
    """Install text encoders "stub", and "other", whose word vectors do not fit."""
    encoders = {"stub": StubEncoder(), "other": StubEncoder("other", "elsewhere", 12)}
    monkeypatch.setattr("misc.extractors.text_encoders.build_text_encoder", lambda spec, device="cpu": encoders[spec])


def write_checkpoint(path, config, seed=0, **switches):
    """Write a checkpoint of a random model with random batch norm statistics."""
    config = json.loads(json.dumps(config))
    config["arch"]["args"].update(switches)
    parsed = ConfigParser(config, "config", training=True)
    torch.manual_seed(seed)
    net = build_model(parsed)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(std=0.2)
            module.running_var.uniform_(0.5, 2)
    content = {"arch": "CENet", "epoch": 1, "state_dict": net.state_dict(), "config": parsed.as_dict()}
    save_checkpoint(Path(path), {**content, "config_file": "config", "seed": 0})
    return Path(path)


@pytest.fixture
def collection(workplace, config, stub_encoder):
    """data/Toy with recognized words and extraction.json, and model.pth: (archive, checkpoint)."""
    Path("data/Toy/extraction.json").write_text(json.dumps({"text": {"encoder": "stub", "feat": "toy", "dim": TEXT_DIM}}))
    (workplace.folder / "ocr-words.json").write_text(json.dumps({"video0": ["SALE", "50%"], "video1": []}))
    return workplace, write_checkpoint("model.pth", config)
