"""How a video sounds: energies of mel bands, means and deviations over windows."""

import numpy as np
from scipy.signal import stft

from misc.extractors.extractor import SAMPLE_RATE, Found, Media, Setting

BANDS, LOWEST, HIGHEST = 64, 60, 7500  # Hz
WINDOW, HOP = 400, 160  # samples
FLOOR = 1e-6
QUIET = 1e-3  # of the loudest sample: what is quieter is silence
CENTRE, WIDTH = -8.0, 4.0  # about the mean and the deviation of the logarithms, which are scaled by them


class Extractor:
    """Windows of `seconds`, or longer ones where there would be more than `most`: (T, 2 * BANDS); None for silence."""

    aggregation = "vlad"

    def __init__(self, *, seconds: float = 0.5, most: int = 40, setting: Setting):
        self._seconds, self._most = max(seconds, HOP / SAMPLE_RATE), most
        self._bands = mel_bands()
        self.dim = 2 * BANDS

    def __call__(self, media: Media) -> Found | None:
        """See `Extractor`."""
        sound = media.sound
        if sound is None or len(sound) < WINDOW or np.abs(sound).max() < QUIET:
            return None
        _, _, spectrum = stft(sound, SAMPLE_RATE, nperseg=WINDOW, noverlap=WINDOW - HOP, boundary=None)
        energies = (np.log(self._bands @ np.abs(spectrum) ** 2 + FLOOR) - CENTRE).T / WIDTH  # (frames, BANDS)
        number = min(self._most, max(1, round(len(sound) / SAMPLE_RATE / self._seconds)), len(energies))
        windows = [np.concatenate([part.mean(axis=0), part.std(axis=0)]) for part in np.array_split(energies, number)]
        return Found(np.stack(windows).astype(np.float32))


def mel_bands() -> np.ndarray:
    """The weights of frequencies in bands, triangles that are evenly spaced in mel: (BANDS, WINDOW / 2 + 1)."""
    frequencies = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    edges = _hertz(np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2))
    width = np.diff(edges)
    rising = (frequencies - edges[:-2, None]) / width[:-1, None]
    falling = (edges[2:, None] - frequencies) / width[1:, None]
    weights = np.minimum(rising, falling).clip(min=0)
    nearest = np.abs(frequencies - edges[1:-1, None]).argmin(axis=1)
    weights[np.arange(BANDS), nearest] = np.maximum(weights[np.arange(BANDS), nearest], 0.1)  # narrow ones miss all
    return weights


def _mel(hertz: float) -> float:
    return 2595 * np.log10(1 + hertz / 700)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)
