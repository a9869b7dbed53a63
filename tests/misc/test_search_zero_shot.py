"""Search by an image-text model as a user runs it: extraction with `--zero_shot`, then `misc/search.py`."""

import contextlib
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.extraction import ARCHIVE, CONFIG, captions, contents, film, long_film
from helpers.image_text_models import write_open_clip, write_transformers
from PIL import Image

from misc import evaluate_search
from misc.extraction.zero_shot_file import ZeroShotFile
from misc.extractors.image_text import build_image_text_model
from misc.extractors.pretrained.torchvision_import import ensure_torchvision
from misc.video_reading.media import Sampling
from misc.video_reading.reader import read_video

ensure_torchvision()
pytest.importorskip("open_clip")
PLACE = ["--name", "Mine"]
QUERY = "a red bird"
FILE = Path("data/Mine/zero_shot.h5")


@pytest.fixture(autouse=True)
def no_models(monkeypatch):
    """Forget models that are loaded, and look for none on the hub."""
    monkeypatch.setattr("misc.extractors.pretrained.hub._reachable", lambda hub: False)
    build_image_text_model.cache_clear()


@pytest.fixture
def extract(extract):
    """Return the function that extracts, also after searches, which change the level of logging."""

    def extract_quietly(*arguments):
        logging.getLogger().setLevel(logging.WARNING)
        return extract(*arguments)

    return extract_quietly


@pytest.fixture
def model(eleven_videos):
    """The name of a model in the working directory, and the model."""
    return "open_clip:local-dir:small", *write_open_clip(Path("small"))


def test_a_folder_of_videos_is_searched_by_the_scores_of_the_library(model, eleven_videos, extract, search):
    import open_clip

    spec, reference, prepare = model
    out, _ = extract("--zero_shot", spec)
    assert "data/Mine/zero_shot.h5: frames of 11 videos by open_clip:local-dir:small\n" in out
    expected = {}
    with torch.no_grad():
        text = reference.encode_text(open_clip.get_tokenizer("local-dir:small")([QUERY]), normalize=True)[0]
        for video, path in eleven_videos.items():
            media = read_video(path, Sampling(8.0, 160, 480, 600.0))
            images = torch.stack([prepare(Image.fromarray(x)) for x in media.frames])
            scores = (reference.encode_image(images, normalize=True) @ text).tolist()
            best = {float(t) for t, x in zip(media.times, scores, strict=True) if x > max(scores) - 1e-3}
            expected[video] = max(scores), best
    out, _ = search(QUERY, *PLACE, "--channels", "zero_shot", "--json", "-k", 20)
    hits = json.loads(out)["hits"]
    assert len(hits) == 11
    for hit in hits:
        found = hit["channels"]["zero_shot"]
        score, times = expected[hit["id"]]
        assert found["score"] == pytest.approx(score, abs=2e-3) and hit["score"] == pytest.approx(1 / (60 + hit["rank"]))
        (evidence,) = found["evidence"]
        assert evidence["times"][0][0] in times and evidence["source"] == "frame"
    scores = [hit["channels"]["zero_shot"]["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    out, err = search(QUERY, *PLACE, "-k", 3)
    # Nonsense is as similar to random weights as any query.
    assert out.startswith("no good match: words: no video has these words; zero_shot: the best similarity, ")
    assert "\nchannels: words, zero_shot (" in out
    assert "zero_shot, rank 1: similarity " in out and " of the frame at " in out
    assert "zero_shot" not in err
    assert "frames of 11 videos by open_clip:local-dir:small (" in search("info", *PLACE)[0]


def test_a_long_video_is_found_by_its_moments(model, extract, search):
    film("short.mkv", 1)
    long_film("long.mkv")
    extract()
    _, seen = extract("--zero_shot", model[0])
    assert seen.keys() > {"short", "long"} and set(seen.values()) == {("zero_shot",)}
    with contextlib.closing(ZeroShotFile(FILE)) as file:
        counts = dict(zip(file.videos, np.diff(file.starts).tolist(), strict=True))
        row = file.videos.index("long")
        times = file.times[file.starts[row] : file.starts[row + 1]]
    assert counts["long"] == 4 * 16 and (np.diff(times) > 0).all() and times.max() > 30
    hits = json.loads(search(QUERY, *PLACE, "--json", "--channels", "zero_shot", "-k", 20)[0])["hits"]
    found = {hit["id"]: hit for hit in hits}
    moments = [(x["start"], x["end"]) for x in found["long"]["moments"]]
    assert sorted(moments) == [(0, 10), (10, 20), (20, 34)] and found["short"]["moments"] == []
    (evidence,) = found["long"]["channels"]["zero_shot"]["evidence"]
    (start, _) = evidence["times"][0]
    assert moments[0][0] <= start < moments[0][1]


def test_only_frames_are_embedded_in_a_collection_that_exists(model, eleven_videos, extract):
    captions(eleven_videos)
    extract("--captions", "captions.json")
    before = contents()
    config = Path("configs/Mine/train-full-ce.json").read_bytes()
    out, seen = extract("--zero_shot", model[0], "--captions", "captions.json")
    assert seen == dict.fromkeys(eleven_videos, ("zero_shot",))
    assert "older version: 11 zero_shot\n" in out and FILE.exists()
    assert contents() == before  # also versions: an index of a trained model stays as it is
    assert Path("configs/Mine/train-full-ce.json").read_bytes() == config
    record = json.loads(Path("data/Mine/extraction.json").read_text())
    assert record["settings"]["zero_shot"]["model"] == model[0] and "zero_shot" not in record["experts"]
    assert len(record["settings"]["zero_shot"]["sha256"]) == 64
    assert extract("--zero_shot", model[0])[1] == {}


def test_without_the_model_its_frames_are_not_searched_but_kept(model, eleven_videos, extract, refuse):
    extract("--zero_shot", model[0])
    before = FILE.read_bytes()
    out, seen = extract()
    assert "data/Mine/zero_shot.h5: deleted, no --zero_shot" in out and seen == {} and not FILE.exists()
    expected = "--channels zero_shot: no embedded frames, expected an extraction with --zero_shot MODEL"
    assert expected in refuse(QUERY, *PLACE, "--channels", "zero_shot")
    assert "--zero_shot: no embedded frames" in refuse(QUERY, *PLACE, "--zero_shot", model[0])
    assert extract("--zero_shot", model[0])[1] == {} and len(FILE.read_bytes()) == len(before)


def test_frames_are_embedded_again_by_other_weights_only(model, eleven_videos, extract, search, refuse):
    extract("--zero_shot", model[0])
    out, _ = search(QUERY, *PLACE, "--json")
    Path("small").rename("moved")
    moved = "open_clip:local-dir:moved"
    build_image_text_model.cache_clear()
    assert search(QUERY, *PLACE, "--json", "--zero_shot", moved)[0] == out
    assert extract("--zero_shot", moved)[1] == {}
    assert search(QUERY, *PLACE, "--json")[0] == out  # the name is that of the last extraction
    write_open_clip(Path("other"), seed=1)
    refusal = refuse(QUERY, *PLACE, "--zero_shot", "open_clip:local-dir:other")
    assert "'open_clip:local-dir:other' has other weights (" in refusal and f"embedded by '{moved}' (" in refusal
    assert extract("--zero_shot", "open_clip:local-dir:other")[1] == dict.fromkeys(eleven_videos, ("zero_shot",))
    assert search(QUERY, *PLACE, "--json")[0] != out


def test_a_model_that_has_gone_is_told(model, extract, search, refuse):
    extract("--zero_shot", model[0])
    Path("small").rename("moved")
    build_image_text_model.cache_clear()
    out, err = search("a", *PLACE, "--json")
    assert json.loads(out)["channels"] == ["words"]
    assert err.splitlines()[-1].startswith("zero_shot: not searched: model 'open_clip:local-dir:small': looked for ")
    assert err.endswith("; if it is elsewhere now: --zero_shot MODEL\n")
    assert "--channels zero_shot: model 'open_clip:local-dir:small'" in refuse("a", *PLACE, "--channels", "words,zero_shot")
    assert "'hub/name' on the hub" in refuse("a", *PLACE, "--zero_shot", "transformers:hub/name")
    assert "--zero_shot: expected zero_shot in" in refuse("a", *PLACE, "--channels", "words", "--zero_shot", "open_clip:x")


def test_a_damaged_file_is_told(model, extract, search, refuse):
    extract("--zero_shot", model[0])
    FILE.write_bytes(FILE.read_bytes()[:2000])
    assert "--channels zero_shot: data/Mine/zero_shot.h5: damaged (" in refuse("a", *PLACE, "--channels", "zero_shot")
    out, err = search("a", *PLACE, "--json")
    assert json.loads(out)["channels"] == ["words"]
    assert "\nzero_shot: not searched: data/Mine/zero_shot.h5: damaged (" in err
    assert extract("--zero_shot", model[0])[1] == {}
    assert "zero_shot" in json.loads(search("a", *PLACE, "--json")[0])["channels"]


def test_siglip_by_the_config(eleven_videos, extract, search):
    write_transformers(Path("siglip"), sigmoid=True)
    Path("config.json").write_text(json.dumps(CONFIG | {"zero_shot": {"model": "transformers:siglip", "frames": 2}}))
    extract()
    hits = json.loads(search("red bird", *PLACE, "--json", "--channels", "zero_shot")[0])["hits"]
    (evidence,) = hits[0]["channels"]["zero_shot"]["evidence"]
    assert 0 < evidence["probability"] < 1 and evidence["text"] in ("0", "1")
    assert ", probability " in search("red bird", *PLACE, "--channels", "zero_shot")[0]
    write_transformers(Path("clip"))
    extract("--zero_shot", "transformers:clip")  # the number of frames is that of the config
    assert "22 frames of 11 videos by transformers:clip" in search("info", *PLACE)[0]


def test_models_are_refused_before_the_extraction(model, refused_extraction):
    assert "image-text model 'ViT-B-32': unknown" in refused_extraction("--zero_shot", "ViT-B-32")
    refused = refused_extraction("--zero_shot", "open_clip:ViT-B-32/openai")
    assert "cannot be reached, expected a copy on disk" in refused
    Path("config.json").write_text(json.dumps(CONFIG | {"zero_shot": {"model": model[0], "sha256": "0" * 64}}))
    assert f"zero_shot: '{model[0]}' has the weights " in refused_extraction()
    assert not Path("data/Mine").exists()


def test_the_channel_is_evaluated(model, eleven_videos, extract, call):
    captions(eleven_videos)
    Path("splits").mkdir()
    names = list(eleven_videos)
    for part, listed in {"train": names[:5], "val": names[5:6], "test": names[6:]}.items():
        Path(f"splits/{part}_list.txt").write_text("\n".join(listed))
    extract("--captions", "captions.json", "--splits", "splits", "--zero_shot", model[0])
    code, out, err = call(evaluate_search, *PLACE, "--no_names")
    assert code == 0, err
    assert "| zero_shot | " in out and "| words + zero_shot | " in out
    assert np.isfinite(float(out.split("| zero_shot | ")[1].split(" |")[0])) and ARCHIVE.exists()
