"""Pictures of a video as a viewer sees them: decoded frames turned to RGB pixels."""

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from misc.extractors.video_error import VideoError

MIN_SIDE, MAX_PIXELS = 16, 1 << 26  # of the sides of a frame; of a frame


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
    """Conversion of the decoded frames of one track to pixels.

    Args:
        track: the track that the frames are of.
        max_side: pixels of the longer side of a picture.
    """

    def __init__(self, track: "av.video.stream.VideoStream", max_side: int):
        self._track, self._max_side = track, max_side
        self._reformatter = VideoReformatter()  # one for all: setting it up takes longer than converting a frame
        self._size: tuple[int, int] | None = None

    def convert(self, frame: av.VideoFrame) -> np.ndarray:
        """Return the pixels of a frame, (H, W, 3) uint8.

        Raises:
            VideoError: the frame is too small or too large.
        """
        check_frame_size(frame.width, frame.height)
        if self._size is None:
            scale = min(1, self._max_side / max(frame.width, frame.height))
            self._size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
        image = self._reformatter.reformat(frame, *self._size, format="rgb24").to_ndarray()
        turned = np.rot90(image, round(frame.rotation / 90))  # as phones hold it: degrees anticlockwise
        return np.ascontiguousarray(turned)
