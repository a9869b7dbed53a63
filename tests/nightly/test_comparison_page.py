"""The page of a comparison in a browser: wide and narrow, light and dark."""

import pytest
from helpers.browser import ATTACK, assert_fits_and_can_be_read, assert_headings_nest, needs_browser
from helpers.compared_runs import write_experiment

from misc.reporting.comparison import compare_groups, write_comparison
from misc.reporting.run_groups import read_groups

pytestmark = needs_browser


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(visit, tmp_path, monkeypatch, width, scheme):
    monkeypatch.chdir(tmp_path)
    groups = read_groups([f"{ATTACK}={write_experiment('ce')}", str(write_experiment("a-config-with-a-long-name", 1.5))])
    content = compare_groups(groups, ["R1", "R5", "R10"], 10)
    path = write_comparison(tmp_path / "page", content)
    page = visit(path.as_uri(), viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert_headings_nest(page)
    summary = page.locator("summary").nth(1)
    summary.click()
    first = content["queries"][0]["only_second"][0]
    assert page.get_by_text(first["query"], exact=True).first.is_visible()
    assert_fits_and_can_be_read(page, scheme, width)
    rows = page.locator("details[open] tbody tr")
    assert rows.count() == len(content["queries"][0]["only_second"])
    last = rows.first.locator("td").last.bounding_box()
    assert last["x"] + last["width"] <= width
