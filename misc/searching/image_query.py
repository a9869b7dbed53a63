"""An image as a query: its features by the network of the expert rgb, compared with those of each frame of the videos."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from misc.searching.channels.channel import ChannelHit
from misc.searching.collection import Collection
from misc.searching.cut_collection import CutCollection
from misc.searching.extraction_record import read_record
from misc.searching.index.metadata import validate
from misc.searching.windows import as_moments, video_of
from utils.errors import InputError, one_line
from utils.files import read_limited

if TYPE_CHECKING:
    from misc.extraction.settings import Settings

EXPERT = "rgb"
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
MAX_BYTES = 64 << 20
MAX_PIXELS = 1 << 27
MIN_CONTRAST = 2.0  # standard deviation of the pixels, of 255, in some channel
MIN_SIMILARITY = 0.5  # by the network of the package: most images that show something else have no frame above


def read_image(path: Path) -> bytes:
    """Return the content of an image file; raise an InputError if it cannot be read."""
    try:
        return read_limited(path, MAX_BYTES)
    except FileNotFoundError:
        raise InputError(f"{path}: not found, expected an image") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}, expected an image") from None


def embed_image(collection: Collection, content: bytes, name: str, device: str = "cpu") -> np.ndarray:
    """Return the features (dim,) of an image by the network that extracted the expert rgb of a collection.

    Raises:
        InputError: not an image, or nothing is known of that network.
    """
    # Imported here since the extractors take a while to import.
    from misc.extractors.extractor import ExtractorContext, build_extractor
    from misc.video_reading.media import Media

    settings = _read_settings(collection)
    if EXPERT not in collection.experts or settings is None:
        raise InputError(f"{name}: expected a collection whose videos have the expert {EXPERT} of misc/extract_experts.py")
    if EXPERT not in settings.experts:
        raise InputError(f"{name}: the expert {EXPERT} was not extracted by misc/extract_experts.py, expected its network")
    about = settings.experts[EXPERT]
    extractor = build_extractor(about.extractor, about.options, ExtractorContext(device, None))
    frame = _decode(io.BytesIO(content), name, settings.frames.side)
    features = extractor(Media(frame[None], np.zeros(1), None)).features
    if features.shape[1] != collection.experts[EXPERT].dim:
        expected = f"expected {collection.experts[EXPERT].dim} as in the collection"
        raise InputError(f"{name}: features of dimension {features.shape[1]}, {expected}")
    return features[0]


def find_image_doubt(collection: Collection, hits: Sequence[ChannelHit]) -> str | None:
    """Return why none of the hits of an image is believable; None also if another network extracted the expert rgb."""
    if not hits:
        return f"no video has the expert {EXPERT}"
    best = math.floor(1000 * max(hit.score for hit in hits)) / 1000  # 0.4999 is no 0.5
    if best >= MIN_SIMILARITY:
        return None
    settings = _read_settings(collection)
    if settings is None or EXPERT not in settings.experts or settings.experts[EXPERT].extractor != EXPERT:
        return None
    return f"no video has a frame like it (similarity {best:.3f}, expected {MIN_SIMILARITY} or more)"


def _read_settings(collection: Collection) -> "Settings | None":
    """Return the settings of the extraction of a collection, if misc/extract_experts.py made it."""
    from misc.extraction.settings import Settings

    record = read_record(collection.folder) or {}
    if "settings" not in record:
        return None
    return validate(Settings, record["settings"], f"{collection.folder}/extraction.json")


def _decode(file: BinaryIO, name: str, side: int) -> np.ndarray:
    """Return the pixels of an image, (H, W, 3) uint8, upright, at most `side` wide and high, as frames are.

    What is transparent is white.
    """
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{name}: {image.width} x {image.height} pixels, expected at most {MAX_PIXELS}")
            image.draft("RGB", (side, side))
            image = ImageOps.exif_transpose(image)
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
            image.thumbnail((side, side))
            if image.mode == "RGBA":
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
            pixels = np.asarray(image)
    except UnidentifiedImageError:
        raise InputError(f"{name}: not an image, expected {', '.join(FORMATS)}") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{name}: damaged, expected an image ({one_line(str(error))})") from None
    if pixels.std(axis=(0, 1)).max() < MIN_CONTRAST:  # similar to many frames, since nothing is in it
        raise InputError(f"{name}: of one color, expected an image of something")
    return pixels


def search_by_image(items: CutCollection, query: np.ndarray, k: int) -> list[ChannelHit]:
    """Return the k videos with the frame that is most similar to an image, by the cosine of features (dim,)."""
    scores: dict[str, float] = {}
    query = query / max(float(np.linalg.norm(query)), 1e-12)
    for item, features in items.load_frames(EXPERT):
        frames = features.astype(np.float32)
        lengths = np.maximum(np.linalg.norm(frames, axis=1), 1e-12)
        scores[item] = float((frames @ query / lengths).max())
    by_video: dict[str, list[tuple[str, float]]] = {}
    for item in sorted(scores, key=lambda item: -scores[item]):
        by_video.setdefault(video_of(item), []).append((item, scores[item]))
    return [ChannelHit(video, found[0][1], [], as_moments(found)) for video, found in list(by_video.items())[:k]]
