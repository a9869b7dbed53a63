"""The error of a file that cannot be used as a video."""


class VideoError(Exception):
    """A file that is no video, or one that cannot be used: one line that says why."""
