"""The content of the files: features and captions, and the forms of missing features.

Videos and captions share latent vectors, so that a model can learn to match them.
"""

from collections.abc import Sequence

import numpy as np

LATENT_DIM = 5
BLUR = 0.5  # latents have variance 1: some captions fit another video better
TEXT_DIMS = {"w2v": 300, "openai": 768, "bertxl": 1024}
WORDS = ("a", "man", "woman", "cat", "sings", "cooks", "runs", "in", "the", "café", "rain", "slowly")
LONG_SEQUENCE = 55  # more frames than any config takes

# The forms of an expert that some videos lack. Each form is that of every eighth video, so that eight videos have all forms.
FORMS = ("frames", "empty", "NaN", "zeros", "frames", "absent", "empty rows", "frames")
ROW_FORMS = tuple("frames" if form == "absent" else form for form in FORMS)
MATRIX_FORMS = ("frames", "NaN", "zeros", "frames")
MISSING_FORMS = ("empty", "NaN", "zeros", "absent", "empty rows")

Features = dict[str, np.ndarray]
Missing = set[str]


class Content:
    """A generator of the features and captions of the videos `ids`."""

    def __init__(self, ids: Sequence[str], seed: int):
        self.rng = np.random.default_rng(seed)
        self.ids = list(ids)
        self.latents = dict(zip(self.ids, self.rng.normal(size=(len(self.ids), LATENT_DIM)), strict=True))
        self.maps = {}

    def rows(self, video: str, kind: str, dim: int, number: int) -> np.ndarray:
        """Return (number, dim) float64: a linear map of a video's latents, with a blur and with noise."""
        if kind not in self.maps:
            self.maps[kind] = self.rng.normal(size=(LATENT_DIM, dim))
        seen = self.latents[video] + BLUR * self.rng.normal(size=LATENT_DIM)
        return seen @ self.maps[kind] + 0.1 * self.rng.normal(size=(number, dim))

    def frames(self, name: str, dim: int, dtype: type, max_frames: int = 4) -> Features:
        """Return an expert that every video has, as a sequence of up to `max_frames` frames."""
        return {x: self.rows(x, name, dim, self.rng.integers(1, max_frames + 1)).astype(dtype) for x in self.ids}

    def vectors(self, name: str, dim: int, dtype: type, with_row: bool = False) -> Features:
        """Return an expert that every video has, averaged over time: (dim,) or (1, dim)."""
        frames = self.frames(name, dim, dtype, max_frames=1)
        return frames if with_row else {video: x[0] for video, x in frames.items()}

    def intermittent(
        self,
        name: str,
        dim: int,
        dtype: type,
        offset: int,
        *,
        forms: Sequence[str] = FORMS,
        vector: bool = False,
        missing_forms: Sequence[str] = MISSING_FORMS,
        ids: Sequence[str] | None = None,
    ) -> tuple[Features, Missing]:
        """Return an expert that some videos lack, in one form after the other from `offset` on, and these videos."""
        features, missing = {}, set()
        for position, video in enumerate(ids or self.ids):
            form = forms[(position + offset) % len(forms)]
            frames = self.rows(video, name, dim, 1 if vector else self.rng.integers(1, 5)).astype(dtype)
            if position % len(forms) == -offset % len(forms) and not vector:
                frames = self.rows(video, name, dim, LONG_SEQUENCE).astype(dtype)
            if form == "NaN":
                frames[0, 0] = np.nan
                if position // len(forms) % 2:
                    frames[:] = np.nan
            elif form == "zeros":
                frames[:] = 0
            if form == "empty":
                features[video] = np.zeros(0)
            elif form == "empty rows":
                features[video] = np.zeros((0, dim))
            elif form != "absent":
                features[video] = frames[0] if vector else frames
            if form in missing_forms:
                missing.add(video)
        return features, missing

    def words(self, counts: dict[str, int], long: Sequence[str], max_words: int = 8) -> dict[str, list[list[str]]]:
        """Return `counts` captions per video as words; the first of the videos `long` is longer than any config allows."""
        captions = {}
        for video, count in counts.items():
            lengths = self.rng.integers(1, max_words + 1, size=count)
            if video in long:
                lengths[0] = 105
            captions[video] = [self.rng.choice(WORDS, size=length).tolist() for length in lengths]
        return captions

    def word_vectors(
        self, words: dict[str, list[list[str]]], text_feat: str, dtype: type = np.float32
    ) -> dict[str, list[np.ndarray]]:
        """Return captions as word vectors, (words, dim) each."""
        dim = TEXT_DIMS[text_feat]
        return {
            video: [self.rows(video, text_feat, dim, len(caption)).astype(dtype) for caption in captions]
            for video, captions in words.items()
        }
