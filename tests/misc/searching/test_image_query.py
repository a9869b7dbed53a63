"""An image as a query, against the features that an extraction computes."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.moments import make_moments, write_moments
from PIL import Image

from data_loader.experts import Expert
from misc.extraction.moments_file import MomentsFile
from misc.searching.channels.channel import ChannelHit
from misc.searching.cut_collection import CutCollection
from misc.searching.image_query import embed_image, find_image_doubt, read_image, search_by_image
from misc.searching.windows import Windows
from utils.errors import InputError

rng = np.random.default_rng(0)
SETTINGS = {"frames": {"side": 64}, "experts": {"rgb": {"extractor": "rgb", "options": {}}}}


class Collection:
    """A collection with features of frames."""

    def __init__(self, folder, features=None, dim=1280):
        self.folder, self.experts, self._features = folder, {"rgb": Expert(dim)}, features or {}
        self.ids, self.moments = list(self._features), None

    def load_frames(self, name):
        assert name == "rgb"
        return iter(self._features.items())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "extraction.json").write_text(json.dumps({"settings": SETTINGS}))
    return tmp_path


def encode(pixels, form="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def test_an_image_has_the_features_of_a_frame(folder):
    from misc.extractors.extractor import ExtractorContext, build_extractor
    from misc.video_reading.media import Media

    pixels = rng.integers(0, 256, (48, 64, 3), np.uint8)
    found = embed_image(Collection(folder), encode(pixels), "x.png")
    extractor = build_extractor("rgb", {}, ExtractorContext("cpu", None))
    expected = extractor(Media(pixels[None], np.zeros(1), None)).features[0]
    assert found == pytest.approx(expected, abs=1e-6) and found.shape == (1280,)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees, as in pictures of phones
    upright = np.rot90(pixels, -1)
    stored = encode(pixels, exif=turned)
    assert embed_image(Collection(folder), stored, "x") == pytest.approx(
        embed_image(Collection(folder), encode(np.ascontiguousarray(upright)), "x"), abs=1e-5
    )


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA"])
@pytest.mark.filterwarnings("error")
def test_what_is_transparent_is_white(folder, mode):
    pixels = np.zeros((40, 40, 4), np.uint8)  # black, of which only a square is visible
    pixels[10:20, 10:20, 3] = 255
    flat = np.full((40, 40, 3), 255, np.uint8)
    flat[10:20, 10:20] = 0
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    if mode == "P":  # a palette whose colors have an opacity each
        image = image.quantize(4)
    image.convert(mode).save(file, "PNG")
    found = embed_image(Collection(folder), file.getvalue(), "x")
    assert found == pytest.approx(embed_image(Collection(folder), encode(flat), "x"), abs=1e-5)


def test_videos_are_ranked_by_their_most_similar_frame():
    features = {f"v{i}": rng.normal(size=(1 + i % 3, 5)).astype(np.float16) for i in range(20)}
    query = rng.normal(size=5).astype(np.float32)

    def score(frames):
        return max(float(x @ query / np.linalg.norm(x) / np.linalg.norm(query)) for x in frames.astype(np.float64))

    expected = sorted(features, key=lambda video: -score(features[video]))
    hits = search_by_image(CutCollection(Collection(Path(), features), None), query, 7)
    assert [hit.id for hit in hits] == expected[:7]
    assert [hit.score for hit in hits] == pytest.approx([score(features[hit.id]) for hit in hits], abs=1e-5)
    assert search_by_image(CutCollection(Collection(Path()), None), query, 7) == []


def test_a_long_video_has_the_moments_with_the_most_similar_frames(tmp_path):
    frames = {"film": rng.normal(size=(1, 5)), "short": rng.normal(size=(2, 5))}
    times = [2, 14, 17, 25, 38]
    dense = rng.normal(size=(5, 5)).astype(np.float16)
    write_moments(tmp_path, {"film": (40.0, {"rgb": make_moments(times, dense)})})
    collection = Collection(tmp_path, frames)
    collection.moments = MomentsFile(tmp_path)
    query = dense[2].astype(np.float32)
    film, short = search_by_image(CutCollection(collection, Windows()), query, 5)
    assert (film.id, short.id, short.moments) == ("film", "short", [])
    assert film.score == pytest.approx(1, abs=1e-3) and (film.moments[0].start, film.moments[0].end) == (10, 20)
    assert len(film.moments) == 3 and film.moments[1].score >= film.moments[2].score


@pytest.mark.parametrize(
    ("scores", "extractor", "doubt"),
    [
        ([0.5, 0.1], "rgb", None),
        ([0.1, 0.4999], "rgb", "no video has a frame like it (similarity 0.499, expected 0.5 or more)"),
        ([0.31], "rgb", "no video has a frame like it (similarity 0.310, expected 0.5 or more)"),
        ([0.31], "timm:resnet50", None),  # similarities of other networks are of other sizes
        ([], "rgb", "no video has the expert rgb"),
    ],
)
def test_an_image_that_no_frame_is_like_is_doubted(tmp_path, scores, extractor, doubt):
    settings = SETTINGS | {"experts": {"rgb": {"extractor": extractor}}}
    (tmp_path / "extraction.json").write_text(json.dumps({"settings": settings}))
    hits = [ChannelHit(f"v{i}", score, []) for i, score in enumerate(scores)]
    assert find_image_doubt(Collection(tmp_path), hits) == doubt


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x: not an image, expected BMP, GIF"),
        (b"<svg/>", "x: not an image"),
        (encode(rng.integers(0, 256, (64, 64, 3), np.uint8))[:2000], "x: damaged, expected an image"),
    ],
)
def test_other_files_are_refused(folder, content, message):
    with pytest.raises(InputError, match=message):
        embed_image(Collection(folder), content, "x")


def test_large_images_are_refused(folder, monkeypatch):
    monkeypatch.setattr("misc.searching.image_query.MAX_PIXELS", 99)
    with pytest.raises(InputError, match="x: 10 x 10 pixels, expected at most 99"):
        embed_image(Collection(folder), encode(np.zeros((10, 10, 3), np.uint8)), "x")


def test_collections_without_the_network_are_refused(folder):
    content = encode(rng.integers(0, 256, (9, 9, 3), np.uint8))
    with pytest.raises(InputError, match="x: features of dimension 1280, expected 7"):
        embed_image(Collection(folder, dim=7), content, "x")
    (folder / "extraction.json").write_text("{}")
    with pytest.raises(InputError, match="x: expected a collection whose videos have the expert rgb"):
        embed_image(Collection(folder), content, "x")


@pytest.mark.parametrize("color", [(0, 0, 0, 0), (255, 0, 255, 255)])  # all is transparent, or magenta
def test_an_image_of_one_color_is_refused(folder, color):
    with pytest.raises(InputError, match="x: of one color, expected an image of something"):
        embed_image(Collection(folder), encode(np.full((30, 30, 4), color, np.uint8)), "x")


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(InputError, match="nothing.png: not found, expected an image"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(InputError, match="expected an image"):
        read_image(tmp_path)
