"""Extractions in this process: a toy text encoder and expert, small videos, and readers of what is written."""

import contextlib
import json
import sys
import types
from pathlib import Path

import msgpack
import msgpack_numpy
import numpy as np
import pytest
import torch
from helpers import pyav_videos

from misc import extract_experts
from misc.extraction import extraction
from misc.extraction import worker as worker_module
from misc.extractors.extractor import EXTRACTORS, ExpertOutput

ARCHIVE = Path("data/Mine/symlinked-feats")
ODD = ["b ü 猫", "c\"quote'd", "d%20d%s", "sub/e  e", "sub/more/f.g", "-h", "i;$(j)&k", "@l#"]
CONFIG = {"experts": {"scene": {"extractor": "scene"}, "audio": {"extractor": "audio"}, "reader": {"extractor": "reader"}}}


class ToyEncoder:
    """A text encoder with a random vector per word."""

    spec, feat, dim = "toy", "toy", 6

    def __call__(self, texts):
        def vector(word):
            return np.random.default_rng(list(word.encode())).normal(size=6).astype(np.float32)

        return [np.stack([vector(word) for word in text.split()]) if text.split() else np.zeros((0, 6)) for text in texts]


class Reader:
    """An expert that reads BRIGHT in bright videos, and nothing in dark ones."""

    aggregation = "vlad"

    def __init__(self, *, surety: float = 0.5, context):
        self._text, self.dim = context.text_encoder, context.text_encoder.dim

    def __call__(self, media):
        words, times = ["BRIGHT", "ü"], [(0.0, 0.25), (0.25, 0.5)]
        return (
            ExpertOutput(self._text([" ".join(words)])[0], words, times)
            if len(media.frames) and media.frames.mean() > 128
            else None
        )


def film(name, number=0, folder="clips", sound=True):
    """Write a video, a bright one for an odd number."""
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.full((4, 32, 32, 3), 200 if number % 2 else 40, np.uint8)
    frames[:, :16, : 2 + number % 28] = (250, 10, 10)
    tone = pyav_videos.sine(0.5, 16000, 200 + 100 * number) if sound else None
    form = None if path.suffix.lower() in (".avi", ".mov", ".mp4") else "matroska"
    return pyav_videos.write(
        path, frames, 8, tone, 16000, form=form, sound_codec="aac" if path.suffix == ".mp4" else "pcm_s16le"
    )


def long_film(name, seconds=34):
    """Write a film that is dark for 20 s, then bright, with a tone in its first half that becomes higher."""
    frames = np.full((2 * seconds, 32, 32, 3), 40, np.uint8)
    frames[40:] = 200
    frames[:, :16, :4] = (250, 10, 10)
    sound = np.concatenate([pyav_videos.sine(seconds / 4, 16000, hertz) for hertz in (300, 600)])
    Path("clips").mkdir(exist_ok=True)
    return pyav_videos.write(Path("clips", name), frames, 2, sound, 16000, form="matroska")


def captions(names, number=2, path="captions.json"):
    """Write captions and return them."""
    content = {name: [f"caption {i} of {name}" for i in range(number)] for name in names}
    Path(path).write_text(json.dumps(content))
    return content


def read(path):
    return msgpack.unpackb(Path(path).read_bytes(), object_hook=msgpack_numpy.decode)


def contents(folder=ARCHIVE):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def failures():
    return json.loads(Path("data/Mine/failures.json").read_text())


@pytest.fixture
def extracted_tasks(tmp_path, monkeypatch):
    """Enter a working directory with a config, extract in this process, and yield the tasks as (id, experts)."""
    monkeypatch.chdir(tmp_path)
    for module in (extraction, worker_module):
        monkeypatch.setattr(module, "build_text_encoder", lambda spec, device: ToyEncoder())
    module = types.ModuleType("misc.extractors.toy_reader")
    module.Reader = Reader
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(EXTRACTORS, "reader", "misc.extractors.toy_reader:Reader")
    extracted_tasks = []

    class EngineInThisProcess(contextlib.nullcontext):
        def __init__(self, worker, workers, timeout):
            super().__init__()
            self.describe, self._worker = worker.describe, worker

        def extract(self, tasks):
            for task in tasks:
                extracted_tasks.append((task.id, task.experts))
                yield self._worker.extract(task)

    monkeypatch.setattr(extraction, "ProcessEngine", EngineInThisProcess)
    Path("config.json").write_text(json.dumps(CONFIG))
    worker_module._load.cache_clear()
    threads = torch.get_num_threads()
    yield extracted_tasks
    torch.set_num_threads(threads)
    worker_module._load.cache_clear()


@pytest.fixture
def eleven_videos(extracted_tasks):
    """Write eleven videos with odd names, and return id -> file."""
    names = ["a", *ODD, "z1", "z2"]
    return {name: film(f"{name}.mkv", i, sound=i % 3 > 0) for i, name in enumerate(names)}


@pytest.fixture
def extract(call, extracted_tasks):
    """Return a function that extracts successfully, and returns standard output and the tasks."""

    def extract(*arguments):
        extracted_tasks.clear()
        code, out, err = call(extract_experts, "--videos", "clips", "--name", "Mine", "--config", "config.json", *arguments)
        assert (code, err) == (0, "")
        return out, dict(extracted_tasks)

    return extract


@pytest.fixture
def refused_extraction(call, extracted_tasks):
    """Return a function that runs an invalid extraction and returns its one-line error."""

    def refused(*arguments, videos="clips", name="Mine", code=2):
        given = ("--videos", videos, "--name", name, "--config", "config.json", *arguments)
        found, _, err = call(extract_experts, *given)
        assert found == code and err.startswith("error: ") and err.count("\n") == 1, err
        return err

    return refused
