"""The audio expert: energies of mel bands, with mean and standard deviation over windows."""

import numpy as np
from scipy.signal import stft

from misc.extractors.extractor import ExpertOutput, ExtractorContext
from misc.video_reading.media import SAMPLE_RATE, Media

BANDS, MIN_HERTZ, MAX_HERTZ = 64, 60, 7500
WINDOW, HOP = 400, 160  # samples
FLOOR = 1e-6  # energy
QUIET = 1e-3  # amplitude of the loudest sample below which a video is silent
LOG_MEAN, LOG_SCALE = -8.0, 4.0  # approximate mean and deviation of log energies, to normalize them


class AudioExtractor:
    """Features (T, 2 * BANDS) of the sound, T windows; None for silence.

    Windows have a length of `seconds`, or more if there would be more than `most`.
    """

    aggregation = "vlad"

    def __init__(self, *, seconds: float = 0.5, most: int = 40, context: ExtractorContext):
        self._seconds, self._max_windows = max(seconds, HOP / SAMPLE_RATE), most
        self._bands = mel_bands()
        self.dim = 2 * BANDS

    def __call__(self, media: Media) -> ExpertOutput | None:
        """Return the features of the sound of a video."""
        sound = media.sound
        if sound is None or len(sound) < WINDOW or np.abs(sound).max() < QUIET:
            return None
        _, _, spectrum = stft(sound, SAMPLE_RATE, nperseg=WINDOW, noverlap=WINDOW - HOP, boundary=None)
        energies = (np.log(self._bands @ np.abs(spectrum) ** 2 + FLOOR) - LOG_MEAN).T / LOG_SCALE  # (frames, BANDS)
        count = min(self._max_windows, max(1, round(len(sound) / SAMPLE_RATE / self._seconds)), len(energies))
        windows = [np.concatenate([x.mean(axis=0), x.std(axis=0)]) for x in np.array_split(energies, count)]
        parts = np.array_split(np.arange(len(energies)) * HOP, count)  # first sample of each frame
        spans = np.array([(part[0], part[-1] + WINDOW) for part in parts]) / SAMPLE_RATE + media.sound_start
        return ExpertOutput(np.stack(windows).astype(np.float32), spans=spans)


def mel_bands() -> np.ndarray:
    """Return the weights of frequencies in bands, triangles evenly spaced in mel: (BANDS, WINDOW / 2 + 1)."""
    frequencies = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    lowest, highest = 2595 * np.log10(1 + np.array([MIN_HERTZ, MAX_HERTZ]) / 700)  # in mel
    edges = 700 * (10 ** (np.linspace(lowest, highest, BANDS + 2) / 2595) - 1)
    width = np.diff(edges)
    rising = (frequencies - edges[:-2, None]) / width[:-1, None]
    falling = (edges[2:, None] - frequencies) / width[1:, None]
    weights = np.minimum(rising, falling).clip(min=0)
    nearest = np.abs(frequencies - edges[1:-1, None]).argmin(axis=1)
    weights[np.arange(BANDS), nearest] = np.maximum(weights[np.arange(BANDS), nearest], 0.1)  # narrow bands contain none
    return weights
