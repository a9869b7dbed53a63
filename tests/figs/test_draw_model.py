"""The picture of the model equals the one that its script draws."""

import shutil
import subprocess
import sys
from xml.etree import ElementTree

from helpers.paths import ROOT

from figs.draw_model import set_math


def test_formulas_are_no_markup():
    assert "<b>" not in set_math("w <b> v") and "&lt;" in set_math("w <b> v")


def test_the_picture_in_the_tree_is_what_its_source_makes(tmp_path):
    for name in ("draw_model.py", "model.svg.j2"):
        shutil.copy(ROOT / "figs" / name, tmp_path)
    subprocess.run([sys.executable, tmp_path / "draw_model.py"], check=True, cwd=tmp_path)
    made = (tmp_path / "model.svg").read_bytes()
    assert made == (ROOT / "figs/model.svg").read_bytes(), "make figures"
    assert ElementTree.fromstring(made).tag == "{http://www.w3.org/2000/svg}svg"
