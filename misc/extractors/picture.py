"""Pictures of a video as a viewer sees them: decoded frames turned to RGB pixels.

Three things may make pixels differ from what was filmed, and players correct them: pixels that are not square, a display
matrix that turns or mirrors pictures, and the matrix of their colors. Files that do not name the latter are read as ITU-R
BT.709 from 1280 pixels of width or 720 of height on, and as BT.601 below, which is the convention of players.
"""

from fractions import Fraction

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import VideoReformatter

from misc.extractors.video_error import VideoError

MIN_SIDE, MAX_PIXELS = 16, 1 << 26  # of the sides of a frame; of a frame
MAX_ASPECT = 10  # of a pixel: what is longer, or higher, is taken for square
ASPECT_STEPS = 4096  # that the aspect of a pixel is measured by
HD_WIDTH, HD_HEIGHT = 1280, 720
# Color matrices as ITU-T H.273 numbers them. FFmpeg converts no others: frames that name one are read as if they did not.
BT709, BT601, BT2020 = 1, 6, 9
KNOWN_MATRICES = {BT709, 4, 5, BT601, 7, BT2020}
SIMILAR_MATRICES = {10: BT2020}


def check_frame_size(width: int, height: int) -> None:
    """Refuse frames that are too small or too large.

    Raises:
        VideoError: a side is below `MIN_SIDE`, or there are more than `MAX_PIXELS`.
    """
    if not min(width, height) >= MIN_SIDE or width * height > MAX_PIXELS:
        raise VideoError(
            f"frames of {width} x {height} pixels, expected sides of {MIN_SIDE} or more, {MAX_PIXELS} pixels or less"
        )


class PictureConverter:
    """Conversion of the decoded frames of one track to pictures of one shape.

    The first frame decides on the shape. Later ones of another aspect are fitted into it, between black bars.

    Args:
        track: the track that the frames are of, before any is decoded.
        max_side: pixels of the longer side of a picture.
    """

    def __init__(self, track: "av.video.stream.VideoStream", max_side: int):
        self._max_side = max_side
        self._shape: tuple[int, int] | None = None  # height, width
        self._reformatter = VideoReformatter()  # one for all: setting it up takes longer than converting a frame
        # As in FFmpeg, an aspect that the container names goes before those of the frames, which may change.
        aspect = track.sample_aspect_ratio
        self._aspect = aspect if aspect != track.codec_context.sample_aspect_ratio else None
        self._gauge = _AspectGauge()

    def convert(self, frame: av.VideoFrame) -> np.ndarray:
        """Return the picture of a frame, (H, W, 3) uint8, of the same shape for all frames.

        Raises:
            VideoError: the frame is too small or too large.
        """
        check_frame_size(frame.width, frame.height)
        _name_color_matrix(frame)
        a, b, c, d = _display_matrix(frame)
        turned = abs(b) + abs(c) > abs(a) + abs(d)  # by 90 degrees
        aspect = self._aspect if self._aspect is not None else self._gauge.measure(frame)
        size = _square_pixels(frame, aspect)
        width, height = size[::-1] if turned else size
        if self._shape is None:
            scale = min(1, self._max_side / max(width, height))
            self._shape = (_scaled(height, scale), _scaled(width, scale))
        scale = min(self._shape[0] / height, self._shape[1] / width)
        fitted = (_scaled(height, scale), _scaled(width, scale))
        if np.abs(np.subtract(fitted, self._shape)).max() <= 1:  # by rounding
            fitted = self._shape
        image = self._reformatter.reformat(frame, *(fitted if turned else fitted[::-1]), format="rgb24").to_ndarray()
        if turned:
            image = image.transpose(1, 0, 2)
        down, right = (b, c) if turned else (d, a)
        image = image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]
        return np.ascontiguousarray(image) if fitted == self._shape else _framed(image, self._shape)


class _AspectGauge:
    """A gauge of the aspect of pixels, which PyAV does not report: a filter of FFmpeg makes strips whose length tells it."""

    def __init__(self):
        self._graph: av.filter.Graph | None = None
        self._format: tuple | None = None  # that the graph was made for

    def measure(self, frame: av.VideoFrame) -> Fraction:
        """Return width by height of a pixel, 1 where it is unknown or cannot be right."""
        form = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        if form != self._format:
            self._graph, self._format = self._build(form), form
        self._graph.push(frame)
        return Fraction(self._graph.pull().width, ASPECT_STEPS)

    @staticmethod
    def _build(form: tuple) -> av.filter.Graph:
        width, height, pixel_format, matrix, value_range = form
        aspect = f"if(between(sar,1/{MAX_ASPECT},{MAX_ASPECT}),sar,1)"
        graph = av.filter.Graph()
        graph.threads = 1
        source = graph.add(
            "buffer",
            video_size=f"{width}x{height}",
            pix_fmt=pixel_format,
            time_base="1/1000",
            colorspace=str(matrix),
            range=str(value_range),
        )
        scale = graph.add("scale", w=f"round({ASPECT_STEPS}*{aspect})", h="2", flags="neighbor", eval="frame")
        graph.link_nodes(source, scale, graph.add("buffersink")).configure()
        return graph


def _name_color_matrix(frame: av.VideoFrame) -> None:
    """Tag a frame with the color matrix to convert it by, where it names none that is known."""
    if not frame.format.is_rgb and frame.colorspace not in KNOWN_MATRICES:
        usual = BT709 if frame.width >= HD_WIDTH or frame.height >= HD_HEIGHT else BT601
        frame.colorspace = SIMILAR_MATRICES.get(frame.colorspace, usual)


def _square_pixels(frame: av.VideoFrame, aspect: Fraction) -> tuple[Fraction, Fraction]:
    """Return width and height of a frame whose pixels are made square, by enlarging one of both."""
    if not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
        aspect = Fraction(1)
    return frame.width * max(aspect, Fraction(1)), frame.height * max(1 / aspect, Fraction(1))


def _scaled(length: Fraction, scale: Fraction) -> int:
    return max(1, round(length * scale))


def _display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Return a, b, c, d of the matrix of ISO 14496-12: a pixel goes right by a x + c y and down by b x + d y."""
    try:
        data = frame.side_data.get(Type.DISPLAYMATRIX)
    except ValueError:  # PyAV does not know some of the side data, and gives none of it then: turned it may be, not mirrored
        return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[round(frame.rotation / 90) % 4]
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = map(int, np.frombuffer(data, np.int32))
    return a, b, c, d


def _framed(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a smaller image in the middle of a black one of that shape."""
    framed = np.zeros((*shape, 3), np.uint8)
    top, left = ((whole - part) // 2 for whole, part in zip(shape, image.shape[:2], strict=True))
    framed[top : top + image.shape[0], left : left + image.shape[1]] = image
    return framed
