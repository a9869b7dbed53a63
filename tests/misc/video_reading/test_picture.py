"""Pictures of video files that are turned, mirrored, of pixels that are not square, and of any color matrix."""

import struct

import numpy as np
import pytest
from helpers.ffmpeg import SAME, SAMPLING, ffmpeg, similarity
from PIL import ExifTags, Image

from misc.video_reading.reader import read_video

COLORS = [(208, 64, 32), (40, 170, 60), (50, 70, 200), (230, 200, 40)]
TAGS = {"bt601": "smpte170m", "bt709": "bt709", "bt2020": "bt2020nc", "smpte240m": "smpte240m"}
H264 = ("-c:v", "libx264", "-qp", 4, "-bf", 0, "-pix_fmt", "yuv420p")


@pytest.fixture(scope="session")
def clean(tmp_path_factory):
    """A file of a picture without any symmetry, 128 x 96."""
    path = tmp_path_factory.mktemp("clean") / "clean.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=128x96:r=10:d=1", *H264, path)
    return path


@pytest.fixture(scope="session")
def wide(tmp_path_factory):
    """Write the same picture at 256 x 96."""
    path = tmp_path_factory.mktemp("wide") / "wide.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=256x96:r=10:d=1", *H264, path)
    return path


def frames(path):
    return read_video(path, SAMPLING).frames


def assert_alike(path, clean, most=4.0):
    """Expect the same pictures: pixels that differ by less than `most` in the mean, and features."""
    found, expected = frames(path), frames(clean)
    assert found.shape == expected.shape
    assert np.abs(found.astype(float) - expected).mean() < most
    assert similarity(path, clean, "scene") > SAME


# Display matrices, a b c d of ISO 14496-12, and the filter of ffmpeg that stores pictures which they turn upright.
TURNS = {
    "none": ((1, 0, 0, 1), "null"),
    "mirrored": ((-1, 0, 0, 1), "hflip"),
    "upside-down": ((-1, 0, 0, -1), "hflip,vflip"),
    "upside-down-mirrored": ((1, 0, 0, -1), "vflip"),
    "right": ((0, 1, -1, 0), "transpose=cclock"),
    "left": ((0, -1, 1, 0), "transpose=clock"),
    "transposed": ((0, 1, 1, 0), "transpose=cclock_flip"),
    "transposed-upside-down": ((0, -1, -1, 0), "transpose=clock_flip"),
}


def turn(path, source, matrix):
    """Write a copy of an MP4 file with another display matrix."""
    a, b, c, d = (round(x * (1 << 16)) for x in matrix)
    data = bytearray(source.read_bytes())
    at = data.index(struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30), data.index(b"tkhd"))
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", TURNS)
def test_a_display_matrix_that_turns_and_mirrors(tmp_path, clean, name):
    """As ffmpeg shows it, which turns pictures by itself when it encodes them anew."""
    matrix, stored = TURNS[name]
    ffmpeg("-i", clean, "-vf", stored, *H264, tmp_path / "stored.mp4")
    path = turn(tmp_path / "turned.mp4", tmp_path / "stored.mp4", matrix)
    assert_alike(path, clean)
    ffmpeg("-i", path, *H264, tmp_path / "upright.mp4")
    assert_alike(path, tmp_path / "upright.mp4")


@pytest.mark.parametrize("factor", [3, 0.25])
def test_a_display_matrix_that_also_scales(tmp_path, clean, factor):
    """By the same factor in both directions, which is the size of a window."""
    path = turn(tmp_path / "a.mp4", clean, (0, 1, 1, 0))
    data = path.read_bytes()
    at = data.index(b"tkhd")
    one = struct.pack(">i", 1 << 16)
    path.write_bytes(
        data[:at] + data[at : at + 92].replace(one, struct.pack(">i", int(factor * (1 << 16)))) + data[at + 92 :]
    )
    np.testing.assert_array_equal(frames(path), frames(clean).transpose(0, 2, 1, 3))


@pytest.mark.parametrize("matrix", [(0, 0, 0, 0), (0.9, 0.4, -0.4, 0.9), (-32768, 0, 0, 1), (1, 1, 1, 1), (1, 0, 0, 0)])
def test_other_matrices_turn_to_the_nearest_side_or_not_at_all(tmp_path, clean, matrix):
    found = frames(turn(tmp_path / "a.mp4", clean, matrix))
    mirrored = matrix[0] < 0
    np.testing.assert_array_equal(found[:, :, :: -1 if mirrored else 1], frames(clean)[:, :, :])


def test_pictures_turned_by_exif(tmp_path):
    """PyAV does not know that side data, and hides the display matrix that FFmpeg makes of it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned to the right
    picture = Image.new("RGB", (128, 96), (200, 30, 30))
    picture.paste((30, 200, 30), (0, 0, 64, 48))
    for number in range(3):
        picture.save(tmp_path / f"{number}.jpg", exif=exif, quality=95)
    ffmpeg("-framerate", 5, "-i", tmp_path / "%d.jpg", "-c", "copy", tmp_path / "a.mkv")
    (found, *_) = frames(tmp_path / "a.mkv")
    assert found.shape == (128, 96, 3) and found[32, 72].argmax() == 1 and found[32, 24].argmax() == 0


@pytest.mark.parametrize(("degrees", "flip"), [(90, "horizontal"), (180, "vertical"), (270, "vertical"), (0, "horizontal")])
def test_a_bit_stream_that_turns_and_mirrors(tmp_path, clean, degrees, flip):
    path = tmp_path / "turned.ts"
    ffmpeg("-i", clean, "-c", "copy", "-bsf:v", f"h264_metadata=rotate={degrees}:flip={flip}", path)
    ffmpeg("-i", path, *H264, tmp_path / "upright.mp4")
    assert_alike(path, tmp_path / "upright.mp4")


@pytest.mark.parametrize(
    ("name", "codec", "size", "aspect"),
    [
        ("a.mp4", H264, "128:96", "2"),
        ("a.ts", H264, "128:96", "2"),
        ("a.mkv", ("-c:v", "ffv1"), "128:96", "2"),
        ("a.avi", ("-c:v", "mpeg4", "-q:v", 1), "128:96", "2"),
        ("a.webm", ("-c:v", "libvpx", "-b:v", "4M"), "128:96", "2"),
        ("a.mp4", H264, "256:48", "1/2"),
        ("a.ts", H264, "256:48", "1/2"),
    ],
)
def test_pixels_that_are_not_square(tmp_path, wide, name, codec, size, aspect):
    """With those that are higher than wide the picture is made higher, never narrower."""
    path = tmp_path / name
    ffmpeg("-i", wide, "-vf", f"scale={size},setsar={aspect}", *codec, path)
    assert_alike(path, wide, 12)


def test_pixels_that_are_not_square_in_a_turned_picture(tmp_path, wide):
    ffmpeg("-i", wide, "-vf", "scale=128:96,setsar=2", *H264, tmp_path / "a.mp4")
    turn(tmp_path / "b.mp4", tmp_path / "a.mp4", TURNS["left"][0])
    ffmpeg("-i", wide, "-vf", "transpose=cclock", *H264, tmp_path / "upright.mp4")
    assert_alike(tmp_path / "b.mp4", tmp_path / "upright.mp4", 12)


def join(folder, sources):
    """Return a stream of several files of a second, each through a filter."""
    path = folder / "joined.ts"
    data = b""
    for second, (source, change) in enumerate(sources):
        part = folder / f"{second}.ts"
        options = ("-c:v", "libx264", "-qp", 4, "-bf", 2, "-pix_fmt", "yuv420p", "-output_ts_offset", second)
        ffmpeg("-i", source, "-vf", change, *options, part)
        data += part.read_bytes()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("first", [0, 1])
def test_pixels_that_change_their_aspect(tmp_path, wide, first):
    """Half of a file has pixels of 2 x 1, the other half square ones, of the same picture."""
    changes = ("scale=128:96,setsar=2", "null")
    path = join(tmp_path, [(wide, changes[first]), (wide, changes[1 - first])])
    found, expected = frames(path), frames(wide)
    assert found.shape[1:] == expected.shape[1:] and len(found) >= 7
    for frame in found:
        assert min(np.abs(frame.astype(float) - other).mean() for other in expected) < 12
    assert similarity(path, wide, "scene") > SAME


def test_a_size_that_changes_is_fitted_between_bars(tmp_path, wide, clean):
    found = frames(join(tmp_path, [(wide, "null"), (clean, "null")]))
    assert found.shape[1:] == (96, 256, 3)
    last = found[-1].astype(float)
    assert not last[:, :64].any() and not last[:, -64:].any()
    assert min(np.abs(last[:, 64:-64] - other).mean() for other in frames(clean)) < 4


@pytest.mark.parametrize("aspect", ["1/200", "200"])
@pytest.mark.parametrize(("name", "codec"), [("a.mkv", ("-c:v", "ffv1")), ("a.avi", ("-c:v", "mpeg4", "-q:v", 1))])
def test_an_aspect_that_cannot_be_right_is_ignored(tmp_path, clean, name, codec, aspect):
    path = tmp_path / name
    ffmpeg("-i", clean, "-vf", f"setsar={aspect}:max=65535", *codec, path)
    assert_alike(path, clean)


def bars(path, size, matrix, *, tagged, value_range="tv", codec=H264):
    """Write bars of known colors."""
    width, height = size
    inputs = [
        x for color in COLORS for x in ("-f", "lavfi", "-i", f"color=0x{bytes(color).hex()}:s={width // 4}x{height}:d=1:r=2")
    ]
    convert = f"scale=out_color_matrix={matrix}:out_range={value_range}:flags=accurate_rnd,format=yuv420p"
    forget = ",setparams=colorspace=unknown:color_primaries=unknown:color_trc=unknown"
    tag = ("-colorspace", TAGS[matrix]) if tagged else ()
    graph = f"{''.join(f'[{i}]' for i in range(4))}hstack=4,format=gbrp,{convert}{forget}"
    ffmpeg(*inputs, "-filter_complex", graph, *codec, *tag, path)
    return path


def colors_of_bars(path):
    frame = frames(path)[0].astype(float)
    return [frame[:, round(frame.shape[1] * (0.125 + 0.25 * i))].mean(axis=0) for i in range(4)]


@pytest.fixture(scope="session")
def clean_bars(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bars")
    path = bars(folder / "tagged.mp4", (320, 240), "bt601", tagged=True)
    ffmpeg("-i", path, "-vf", "format=gbrp", "-c:v", "ffv1", folder / "clean.mkv")
    return folder / "clean.mkv"


@pytest.mark.parametrize(
    ("size", "matrix", "tagged", "value_range"),
    [
        ((320, 240), "bt601", False, "tv"),
        ((1024, 576), "bt601", False, "tv"),
        ((1280, 720), "bt709", False, "tv"),
        ((1280, 544), "bt709", False, "tv"),
        ((720, 1280), "bt709", False, "tv"),
        ((1920, 1080), "bt709", False, "pc"),
        ((320, 240), "bt601", False, "pc"),
        ((1280, 720), "bt601", True, "tv"),
        ((320, 240), "bt709", True, "tv"),
        ((320, 240), "bt709", True, "pc"),
        ((1280, 720), "bt2020", True, "tv"),
        ((320, 240), "smpte240m", True, "tv"),
    ],
)
def test_colors_of_a_matrix_and_range(tmp_path, clean_bars, size, matrix, tagged, value_range):
    path = bars(tmp_path / "a.mp4", size, matrix, tagged=tagged, value_range=value_range)
    np.testing.assert_allclose(colors_of_bars(path), COLORS, atol=5)
    assert similarity(path, clean_bars, "scene") > SAME


@pytest.mark.parametrize(("size", "codec"), [((1280, 720), "libvpx"), ((1280, 720), "mjpeg")])
def test_codecs_that_have_a_matrix_by_definition(tmp_path, size, codec):
    """VP8 and JPEG are BT.601 at any size."""
    options = ("-c:v", codec, *(("-pix_fmt", "yuvj420p", "-q:v", 2) if codec == "mjpeg" else ("-b:v", "4M")))
    value_range = "pc" if codec == "mjpeg" else "tv"
    path = bars(tmp_path / "a.mkv", size, "bt601", tagged=False, value_range=value_range, codec=options)
    np.testing.assert_allclose(colors_of_bars(path), COLORS, atol=6)


def test_matrices_that_cannot_be_converted_are_not_refused(tmp_path, clean):
    for matrix in ("ycgco", "bt2020c", "ictcp"):
        path = tmp_path / f"{matrix}.mp4"
        ffmpeg("-i", clean, "-vf", f"setparams=colorspace={matrix}", *H264, path)
        assert len(frames(path)) == len(frames(clean))


def test_rgb_has_no_matrix(tmp_path):
    path = bars(tmp_path / "a.mp4", (1280, 720), "bt709", tagged=True)
    ffmpeg("-i", path, "-vf", "format=gbrp", "-c:v", "libx264rgb", "-qp", 0, tmp_path / "rgb.mp4")
    assert np.abs(frames(tmp_path / "rgb.mp4").astype(float) - frames(path)).mean() < 4
