"""Conversion of decoded frames to the RGB pictures that players show.

Like players, it corrects pixels that are not square, applies a display matrix that rotates or mirrors pictures, and uses the
color matrix. Files that name no color matrix use ITU-R BT.709 if their width is at least 1280 or their height at least 720
pixels, otherwise BT.601.
"""

from fractions import Fraction

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import VideoReformatter

from misc.video_reading.media import VideoError

MIN_SIDE, MAX_PIXELS = 16, 1 << 26  # of a frame
MAX_ASPECT = 10  # maximum aspect of a pixel (minimum: 1 / 10); others are treated as square
ASPECT_STEPS = 4096  # resolution of the measured aspect of a pixel
HD_WIDTH, HD_HEIGHT = 1280, 720
# Color matrices by their ITU-T H.273 numbers that FFmpeg converts: frames with another one are treated as untagged.
BT709, BT601, BT2020 = 1, 6, 9
KNOWN_MATRICES = {BT709, 4, 5, BT601, 7, BT2020}
SIMILAR_MATRICES = {10: BT2020}


def check_frame_size(width: int, height: int) -> None:
    """Raise a VideoError if frames have a side below `MIN_SIDE`, or more than `MAX_PIXELS` pixels."""
    if not min(width, height) >= MIN_SIDE or width * height > MAX_PIXELS:
        raise VideoError(
            f"frames of {width} x {height} pixels, expected sides of {MIN_SIDE} or more, {MAX_PIXELS} pixels or less"
        )


class PictureConverter:
    """A converter of the decoded frames of one track to pictures of the same shape.

    The shape is that of the first frame. Later frames of another aspect are scaled to fit into it, with black bars.
    """

    def __init__(self, track: "av.video.stream.VideoStream", max_side: int):
        self._max_side = max_side
        self._shape: tuple[int, int] | None = None  # height, width
        self._reformatter = VideoReformatter()  # shared: creating it takes longer than converting a frame
        # As in FFmpeg, the aspect of the container has priority over those of the frames, which may change.
        self._aspect = track.sample_aspect_ratio
        if self._aspect == track.codec_context.sample_aspect_ratio:
            self._aspect = None
        elif self._aspect is not None and not 1 / MAX_ASPECT <= self._aspect <= MAX_ASPECT:
            self._aspect = Fraction(1)
        self._gauge = _AspectGauge()

    def convert(self, frame: av.VideoFrame) -> np.ndarray:
        """Return the picture of a frame, (H, W, 3) uint8, of the same shape for all frames."""
        check_frame_size(frame.width, frame.height)
        _name_color_matrix(frame)
        a, b, c, d = _display_matrix(frame)
        rotated = abs(b) + abs(c) > abs(a) + abs(d)  # by 90 degrees
        aspect = self._aspect if self._aspect is not None else self._gauge.measure(frame)
        size = (frame.width * max(aspect, Fraction(1)), frame.height * max(1 / aspect, Fraction(1)))  # of square pixels
        width, height = size[::-1] if rotated else size
        if self._shape is None:
            scale = min(1, self._max_side / max(width, height))
            self._shape = (_scaled(height, scale), _scaled(width, scale))
        scale = min(self._shape[0] / height, self._shape[1] / width)
        fitted = (_scaled(height, scale), _scaled(width, scale))
        if np.abs(np.subtract(fitted, self._shape)).max() <= 1:  # by rounding
            fitted = self._shape
        image = self._reformatter.reformat(frame, *(fitted if rotated else fitted[::-1]), format="rgb24").to_ndarray()
        if rotated:
            image = image.transpose(1, 0, 2)
        down, right = (b, c) if rotated else (d, a)
        image = image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]
        return np.ascontiguousarray(image) if fitted == self._shape else _pad(image, self._shape)


class _AspectGauge:
    """A measurement of the aspect of pixels, which PyAV does not expose: by the width of a picture from an FFmpeg filter."""

    def __init__(self):
        self._graph: av.filter.Graph | None = None
        self._source: dict[str, str] = {}  # the frames that the graph was made for

    def measure(self, frame: av.VideoFrame) -> Fraction:
        """Return width / height of a pixel, 1 if it is unknown or invalid."""
        source = {"video_size": f"{frame.width}x{frame.height}", "pix_fmt": frame.format.name}
        source |= {"colorspace": str(frame.colorspace), "range": str(frame.color_range)}
        if source != self._source:
            aspect = f"if(between(sar,1/{MAX_ASPECT},{MAX_ASPECT}),sar,1)"
            self._graph, self._source = av.filter.Graph(), source
            self._graph.threads = 1
            buffer = self._graph.add("buffer", time_base="1/1000", **source)
            scale = self._graph.add("scale", w=f"round({ASPECT_STEPS}*{aspect})", h="2", flags="neighbor", eval="frame")
            self._graph.link_nodes(buffer, scale, self._graph.add("buffersink")).configure()
        self._graph.push(frame)
        return Fraction(self._graph.pull().width, ASPECT_STEPS)


def _name_color_matrix(frame: av.VideoFrame) -> None:
    """Set the color matrix of a frame, unless it names a known one."""
    if not frame.format.is_rgb and frame.colorspace not in KNOWN_MATRICES:
        usual = BT709 if frame.width >= HD_WIDTH or frame.height >= HD_HEIGHT else BT601
        frame.colorspace = SIMILAR_MATRICES.get(frame.colorspace, usual)


def _scaled(length: Fraction, scale: Fraction) -> int:
    return max(1, round(length * scale))


def _display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Return a, b, c, d of the matrix of ISO 14496-12: a pixel moves right by a x + c y and down by b x + d y."""
    try:
        data = frame.side_data.get(Type.DISPLAYMATRIX)
    except ValueError:  # PyAV returns no side data if it does not know all of it; rotation is known, mirroring is not
        return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[round(frame.rotation / 90) % 4]
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = map(int, np.frombuffer(data, np.int32))
    return a, b, c, d


def _pad(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a black image of the given shape with a smaller image in its middle."""
    padded = np.zeros((*shape, 3), np.uint8)
    top, left = ((outer - inner) // 2 for outer, inner in zip(shape, image.shape[:2], strict=True))
    padded[top : top + image.shape[0], left : left + image.shape[1]] = image
    return padded
