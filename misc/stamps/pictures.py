"""Drawing of a stamp on a white square."""

import io
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError

from utils.errors import one_line
from utils.optional_packages import require_package

SIDE = 320  # pixels
MAX_PIXELS = 1 << 26
DOTS_PER_INCH = 96  # of CSS, for lengths in points and millimeters; resvg would take such pictures for empty


def draw_picture(name: str, content: bytes) -> np.ndarray:
    """Return the picture in a PNG or SVG file, scaled to fit and centered on white: (SIDE, SIDE, 3) uint8.

    Raises:
        ValueError: it is damaged, has too many pixels, or nothing of it is visible; the message is one line.
    """
    if name.endswith(".svg"):
        content = _render_svg(content)
    try:
        with warnings.catch_warnings(action="ignore"):  # of odd chunks in a PNG
            image = Image.open(io.BytesIO(content), formats=["PNG"])
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels, expected at most {MAX_PIXELS}")
            image = image.convert("RGBA")
    except UnidentifiedImageError:  # its message has an address in memory
        raise ValueError("no PNG, or damaged") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"no PNG, or damaged ({one_line(str(error))})") from None
    if not image.getextrema()[3][1]:
        raise ValueError("nothing of it is visible")
    scale = SIDE / max(image.size)
    size = [max(1, round(n * scale)) for n in image.size]
    opaque = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(opaque.resize(size, Image.Resampling.LANCZOS), ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(square)


def _render_svg(content: bytes) -> bytes:
    """Return an SVG as a PNG of at most `SIDE` by `SIDE` pixels, without the fonts of this machine."""
    library = require_package("resvg_py")
    text = content.decode("utf-8-sig", "replace")
    try:
        return library.svg_to_bytes(text, width=SIDE, height=SIDE, dpi=DOTS_PER_INCH, skip_system_fonts=True)
    except ValueError as error:
        raise ValueError(f"no SVG, or damaged ({one_line(str(error))})") from None
