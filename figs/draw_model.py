"""Draw model.svg, the picture of the model in the README, from model.svg.j2.

To draw it again:

    python figs/draw_model.py

It shows a video that lacks one of four experts. The equations are in `model/model.py`.
"""

import argparse
import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

FOLDER = Path(__file__).parent


def set_math(formula: str) -> Markup:
    """Return a formula as SVG: a single letter is a variable, `_` and the letters after it are a subscript."""
    formula = re.sub(r"(?<![a-z])[a-z](?![a-z])", r'<tspan class="variable">\g<0></tspan>', str(escape(formula)))
    # The empty character moves the next one back to the line.
    subscript = r'<tspan class="sub" dy="4">\1</tspan><tspan dy="-4">&#8203;</tspan>'
    return Markup(re.sub(r"_(<tspan.*?</tspan>|[a-z]+)", subscript, formula))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    loader = jinja2.FileSystemLoader(FOLDER)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, keep_trailing_newline=True)
    environment.filters["math"] = set_math
    environment.get_template("model.svg.j2").stream().dump(str(FOLDER / "model.svg"), encoding="utf-8")
