"""Draw model.svg, the picture of the model in the README.

To draw it again:

    python figs/draw_model.py

It shows a video that lacks one of four experts. The equations are in `model/model.py`. Coordinates are
pixels of the picture.
"""

import argparse
import re
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 960, 704
# Expert -> pooling over time.
EXPERTS = {"rgb": "mean", "audio": "NetVLAD", "ocr": "NetVLAD", "face": "mean"}
MISSING = "ocr"
# Expert -> y of its row, next to the video, in the score and next to the caption.
VIDEO_ROWS = {name: 84 + 37 * i for i, name in enumerate(EXPERTS)}
SCORE_ROWS = {name: 216 + 27 * i for i, name in enumerate(EXPERTS)}
CAPTION_ROWS = {name: 536 + 32 * i for i, name in enumerate(EXPERTS)}

# The picture has a background, so that it can be read on any page; the second half is for dark screens.
STYLE = """
text { font: 14px Helvetica, Arial, sans-serif; fill: #1f2328; text-anchor: middle } .left { text-anchor: start }
.title { font-weight: bold } .note { font-size: 13px; fill: #57606a } .math { font: 15px Times, serif }
.variable { font-style: italic } .sub { font-size: 12px }
.page { fill: #fff; stroke: #d0d7de } .panel { fill: #f6f8fa } .zoom { fill: #e7ecf1 }
.box { fill: #fff; stroke: #57606a } .score { fill: #fff8c5; stroke: #9a6700 } .rule { stroke: #9a6700 }
.absent { fill: none; stroke: #8c959f; stroke-dasharray: 4 3 }
.line, .arrow { fill: none; stroke: #424a53; stroke-width: 1.3 } .arrow { marker-end: url(#tip) } .tip { fill: #424a53 }
.rgb { fill: #0072b2 } .audio { fill: #d55e00 } .ocr { fill: #b5569a } .face { fill: #009e73 } .word { fill: #6e7781 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .note { fill: #9da7b3 }
.page { fill: #0d1117; stroke: #30363d } .panel { fill: #161b22 } .zoom { fill: #232a33 }
.box { fill: #0d1117; stroke: #8b949e } .score { fill: #2e2500; stroke: #bb8009 } .rule { stroke: #bb8009 }
.line, .arrow { stroke: #adbac7 } .tip { fill: #adbac7 }
.rgb { fill: #56b4e9 } .audio { fill: #f0883e } .ocr { fill: #d98cc4 } .face { fill: #3fc79a } .word { fill: #9da7b3 }
}"""
TIP = (
    '<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="tip" d="M0 0L10 5L0 10z"/></marker>'
)
TITLE = "Collaborative Experts: the embeddings of a video and of a caption, and their similarity"


def text(x: float, y: float, label: str, kind: str = "") -> str:
    """Return `label` centered at (x, y), or starting there (kind "left"); "note" is smaller.

    In "math" a single letter is a variable, and `_` and the letters after it are a subscript.
    """
    label = escape(label)
    if "math" in kind:
        label = re.sub(r"(?<![a-z])[a-z](?![a-z])", r'<tspan class="variable">\g<0></tspan>', label)
        # The empty character moves the next one back to the line.
        sub = r'<tspan class="sub" dy="4">\1</tspan><tspan dy="-4">&#8203;</tspan>'
        label = re.sub(r"_(<tspan.*?</tspan>|[a-z]+)", sub, label)
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" dy=".35em">{label}</text>'


def box(x: float, y: float, width: float, height: float, label: str = "", kind: str = "box", font: str = "") -> str:
    """Return a box with the middle of its left side at (x, y)."""
    shape = f'<rect class="{kind}" x="{x:g}" y="{y - height / 2:g}" width="{width:g}" height="{height:g}" rx="5"/>'
    return shape + (text(x + width / 2, y, label, font) if label else "")


def operation(x: float, y: float, sign: str) -> str:
    """Return an operation on each element, with its middle at (x, y)."""
    return f'<circle class="box" cx="{x:g}" cy="{y:g}" r="11"/>' + text(x, y, sign, "math")


def path(d: str, kind: str = "arrow") -> str:
    """Return an arrow, or a shape of another kind, along `d`."""
    return f'<path class="{kind}" d="{d}"/>'


def cell(x: float, y: float, width: float, height: float, name: str, opacity: float = 1) -> str:
    """Return one element of a vector of expert `name`, with its upper left corner at (x, y)."""
    return f'<rect class="{name}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" opacity="{opacity:g}"/>'


def vector(x: float, y: float, name: str, shift: int = 0, size: int = 5) -> str:
    """Return a vector with the middle of its left side at (x, y); each `shift` shows other values."""
    shades = (0.95, 0.45, 0.7, 0.3, 0.85, 0.55, 0.4)
    return "".join(cell(x + 9 * i, y - 5, 8, 10, name, shades[(3 * i + shift) % len(shades)]) for i in range(size))


def sequence(x: float, y: float, name: str) -> str:
    """Return five vectors, of frames or words, with the middle of their left side at (x, y)."""
    shades = (0.95, 0.7, 0.45)
    cells = [(i, j) for i in range(5) for j in range(3)]
    return "".join(cell(x + 10 * i, y - 11 + 7.5 * j, 8, 6.5, name, shades[(i + 2 * j) % 3]) for i, j in cells)


def video() -> list[str]:
    """Return the part from the experts of a video to their embeddings."""
    parts = [box(12, 245, 692, 466, kind="panel"), text(26, 32, "Video", "title left")]
    heads = {94: "experts", 171: "pool over time", 283: "project to D dims", 628: "unit-length embeddings"}
    parts += [text(x, 57, label, "note") for x, label in heads.items()]
    for i, (name, y) in enumerate(VIDEO_ROWS.items()):
        absent = name == MISSING
        look = {"kind": "absent", "font": "note"} if absent else {}
        parts += [text(26, y, name, "left"), box(138, y, 72, 26, EXPERTS[name], **look)]
        parts.append(box(230, y, 100, 26, "Linear, norm", **look))
        if absent:
            parts.append(box(66, y, 58, 26, "missing", **look))
            continue
        parts += [sequence(70, y, name), path(f"M122 {y}H137"), path(f"M210 {y}H229"), path(f"M330 {y}H347")]
        parts += [vector(350, y, name, i), text(399, y, f"x_{name}", "math left"), path(f"M437 {y}H457")]
        parts += [path(f"M556 {y}H573"), vector(576, y, name, i + 2), text(625, y, f"video_{name}", "math left")]
    return parts + [box(458, 139, 98, 146), text(507, 130, "collaborative"), text(507, 148, "gating")]


def gating() -> list[str]:
    """Return the detail of collaborative gating of rgb in a video without ocr."""
    parts = [path("M458 212H556L690 248V464H26V248z", "zoom"), text(38, 266, "Collaborative gating of rgb", "title left")]
    parts.append(text(248, 266, "(the other experts likewise)", "note left"))
    for name, shift, y in (("audio", 1, 298), ("face", 3, 354)):
        parts += [vector(38, y, "rgb"), vector(83, y, name, shift), text(136, y, f"[x_rgb ; x_{name}]", "math left")]
        parts += [path(f"M233 {y}H245"), box(246, y, 28, 28, "g", font="math"), path(f"M274 {y}H291")]
    parts += [vector(38, 326, "rgb"), box(83.5, 326, 43, 10, kind="absent")]
    parts.append(text(136, 326, "ocr is missing: no pair", "note left"))
    parts += [box(292, 326, 50, 84, "mean"), path("M342 326H357"), box(358, 326, 28, 28, "h", font="math")]
    parts += [path("M386 326H401"), box(402, 326, 36, 28, "BN"), path("M438 326H453"), operation(465, 326, "+")]
    parts += [path("M476 326H491"), operation(503, 326, "σ"), path("M514 326H529"), operation(541, 326, "×")]
    parts += [path("M552 326H567"), box(568, 326, 46, 28, "norm"), path("M614 326H631"), vector(634, 326, "rgb", 2)]
    parts.append(text(656, 345, "video_rgb", "math"))
    parts += [vector(38, 392, "rgb"), text(87, 392, "x_rgb", "math left"), path("M120 392H291")]
    parts += [box(292, 392, 94, 28, "Linear"), path("M386 392H401"), box(402, 392, 36, 28, "BN")]
    parts += [path("M438 392H465V338"), path("M262 392V416H541V338")]
    notes = (
        "g: Linear (2D to D), ReLU, Linear. h: Linear, ReLU, Linear. Only g and h are shared by the experts.",
        "BN: batch norm. norm: divide by the length. σ: sigmoid. ×: by element. No pair: the mean is 0.",
    )
    return parts + [text(38, 434 + 17 * i, note, "note left") for i, note in enumerate(notes)]


def caption() -> list[str]:
    """Return the part from a caption to its embeddings and its weights of experts."""
    parts = [box(12, 591, 692, 202, kind="panel"), text(26, 510, "Caption", "title left")]
    parts += [text(26, 542, "“a man plays a guitar”", "left"), text(94, 572, "word vectors", "note")]
    parts += [sequence(70, 600, "word"), path("M122 600H137"), box(138, 600, 72, 26, "NetVLAD")]
    parts += [path("M210 600H227"), vector(230, 600, "word", size=8)]
    parts += [path("M304 600H322M322 536V664", "line"), text(446, 510, "a gated embedding unit for each expert", "note")]
    for i, (name, y) in enumerate(CAPTION_ROWS.items()):
        parts += [path(f"M322 {y}H343"), box(344, y, 212, 26, "Linear, context gating, norm"), path(f"M556 {y}H573")]
        parts += [vector(576, y, name, i + 3), text(625, y, f"text_{name}", "math left")]
    parts += [path("M322 664H343"), box(344, 664, 212, 26, "Linear, softmax"), path("M556 664H573")]
    for i, (name, weight) in enumerate(zip(EXPERTS, (19, 8, 5, 13), strict=True)):
        parts.append(cell(576 + 11 * i, 673 - weight, 9, weight, name))
    parts.append(text(625, 664, "w (sum 1)", "math left"))
    notes = (
        "NetVLAD: softly assigned residuals to",
        "learned centers, summed, normalized",
        "context gating of x: x × σ(BN(Linear(x)))",
    )
    return parts + [text(26, 638 + 18 * i, note, "note left") for i, note in enumerate(notes)]


def similarity() -> list[str]:
    """Return the score of the caption and the video, in this case and in general."""
    parts = [box(722, 352, 226, 680, kind="panel"), text(736, 32, "Similarity", "title left")]
    words = (
        "The mean of the cosines,",
        "weighted by w, over the experts",
        "that the video has. If it has",
        "none, the score is 0.",
    )
    parts += [text(736, 56 + 17 * i, line, "note left") for i, line in enumerate(words)]
    parts += [path("M694 74H702V205H694", "line"), path("M702 139H835V165"), box(728, 345, 214, 358, kind="score")]
    parts += [path("M694 526H702V642H694", "line"), path("M702 584H800V525"), path("M696 664H870V525")]
    parts.append(text(835, 186, "s(t, v) = the sum of", "math"))
    for name, y in SCORE_ROWS.items():
        if name == MISSING:
            parts.append(text(835, y, f"{name} is missing: left out", "note"))
        else:
            parts.append(text(835, y, f"w_{name} ⟨text_{name}, video_{name}⟩", "math"))
    present = " + ".join(f"w_{name}" for name in EXPERTS if name != MISSING)
    parts += [text(835, 328, "divided by", "math"), text(835, 355, present, "math"), path("M728 380H942", "rule")]
    parts += [text(835, 399, "in general, s(t, v) =", "math"), text(835, 429, "Σ_i w_i a_i ⟨text_i, video_i⟩", "math")]
    parts += [path("M757 445H913", "line"), text(835, 461, "Σ_i w_i a_i", "math")]
    parts += [text(835, 488, "a is 1 for the experts that", "note"), text(835, 505, "the video has, and else 0", "note")]
    return parts


def draw() -> str:
    """Return the picture, as SVG."""
    parts = [box(0.5, HEIGHT / 2, WIDTH - 1, HEIGHT - 1, kind="page"), *video(), *gating(), *caption(), *similarity()]
    body = "\n".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">
<!-- Made by draw_model.py -->
<title>{TITLE}</title>
<style>{STYLE}
</style>
{TIP}
{body}
</svg>
"""


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    Path(__file__).with_name("model.svg").write_text(draw(), encoding="utf-8")
