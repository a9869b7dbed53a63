"""The ranking page with the keyboard, reduced motion, screen readers, dark mode and without scripts."""

import pytest
from helpers.browser import accessible, assert_fits_and_can_be_read, assert_headings_nest, needs_browser, playing
from helpers.ranking_site import wait_for_status

pytestmark = needs_browser


def test_it_is_usable_with_only_the_keyboard(ranking_base, visit):
    page = visit(f"{ranking_base}/page/index.html")
    focused = "document.activeElement"
    page.keyboard.press("Tab")
    assert page.evaluate(f"{focused}.textContent") == "Skip to the queries"
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => {focused}.id === 'results'")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    wait_for_status(page, "8 of 8 queries")
    page.keyboard.press("Tab")
    page.keyboard.type("plain")
    wait_for_status(page, "1 of 8 queries")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    wait_for_status(page, "8 of 8 queries")
    page.keyboard.press("Tab")
    page.keyboard.type("best")
    page.wait_for_function("() => shown.sort === 'best'")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(f"{focused}.closest('.clip') !== null"):
            break
    player = page.evaluate_handle(f"{focused}.closest('.clip').querySelector('video')").as_element()
    playing(page, player)
    page.keyboard.press("Enter")
    assert player.evaluate("x => x.controls && x === document.activeElement")

    page = visit(f"{ranking_base}/many/index.html")
    page.get_by_role("button", name="rank 1:").focus()
    page.keyboard.press("Space")
    page.wait_for_function("() => shown.bins.has(0)")
    assert page.evaluate(f"{focused}.getAttribute('aria-pressed')") == "true"  # the focus has not moved
    page.keyboard.press("Space")
    for place, expected in (("above", "next"), ("below", "results")):  # at the end of the list the focus goes to its head
        page.locator(f"#{place}").get_by_role("button", name="Next").focus()
        page.keyboard.press("Enter")
        assert expected in page.evaluate(f"[{focused}.id, {focused}.className]")
    assert page.evaluate("shown.page") == 3


def test_clips_do_not_play_on_their_own_with_reduced_motion(ranking_base, visit):
    page = visit(f"{ranking_base}/page/index.html", reduced_motion="reduce")
    clip = page.locator(".clip").first
    player = clip.locator("video").element_handle()
    clip.hover()
    page.wait_for_function("player => player.readyState > 0", arg=player)
    assert player.evaluate("x => x.paused")
    clip.get_by_role("button").click()
    playing(page, player)


def test_every_control_has_a_name_and_every_part_a_role(ranking_server, visit):
    page = visit(f"{ranking_server}/page/index.html")
    page.get_by_label("Evaluation").wait_for()
    roles = accessible(page)
    named = {"button", "searchbox", "combobox", "radio", "video", "Video", "link", "navigation", "search", "region"}
    assert not [role for role, name in roles if role in named and not name.strip()]
    found = {role for role, _ in roles}
    assert found >= {
        "banner",
        "main",
        "search",
        "navigation",
        "status",
        "radio",
        "searchbox",
        "combobox",
        "table",
        "article",
    }
    assert_headings_nest(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_fits_and_is_readable_in_light_and_dark(ranking_server, visit, scheme, width):
    page = visit(f"{ranking_server}/page/index.html#ranks=0", color_scheme=scheme, viewport={"width": width, "height": 900})
    assert_fits_and_can_be_read(page, scheme, width)


def test_without_scripts_it_shows_a_notice(ranking_server, visit):
    page = visit(f"{ranking_server}/page/index.html", java_script_enabled=False)
    assert "needs JavaScript" in page.locator(".notice").first.inner_text()
