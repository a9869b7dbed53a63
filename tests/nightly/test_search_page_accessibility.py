"""The search page with the keyboard, reduced motion, screen readers, dark mode and without scripts."""

import pytest
from helpers.browser import accessible, assert_fits_and_can_be_read, assert_headings_nest, needs_browser, playing
from helpers.search_site import FOCUS, load

pytestmark = needs_browser


def focused_tile_index(page):
    return page.evaluate(f"[...document.querySelectorAll('.tile')].indexOf({FOCUS}.closest('.tile'))")


def test_it_is_usable_with_only_the_keyboard(look):
    page = look("/?q=bird")
    page.keyboard.press("Tab")
    assert page.evaluate(f"{FOCUS}.textContent") == "Skip to the results"
    page.keyboard.press("/")
    assert page.evaluate(f"{FOCUS}.id") == "query"
    page.keyboard.type("a / song")  # the previous query is selected, and a slash in the box is a slash
    assert page.get_by_label("Search for").input_value() == "a / song"
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=a+%2F+song")
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    assert focused_tile_index(page) == 0
    player = page.locator(".tile video").first.element_handle()
    playing(page, player)
    outline = page.evaluate(f"getComputedStyle({FOCUS}).outlineStyle")
    assert outline == "solid"
    for key, expected in (("Right", 1), ("Right", 2), ("Down", 6), ("Left", 5), ("Up", 1), ("Left", 0), ("Left", 0)):
        page.keyboard.press(f"Arrow{key}")
        assert focused_tile_index(page) == expected, key
    assert player.evaluate("x => !x.controls")
    page.keyboard.press("Enter")
    playing(page, player)
    assert player.evaluate(f"x => x.controls && x === {FOCUS}")
    page.keyboard.press("Escape")
    page.wait_for_function("player => player.paused", arg=player)
    assert page.evaluate(f"{FOCUS}.textContent") == "plain"
    page.keyboard.press("ArrowUp")
    assert page.evaluate(f"{FOCUS}.id") == "query"
    page.keyboard.press("ArrowDown")  # a clip with controls would use the arrows itself
    assert page.evaluate(f"{FOCUS}.textContent") == "plain"
    page.keyboard.press("Enter")
    page.wait_for_url("**/?video=plain")


def test_clips_do_not_play_on_their_own_with_reduced_motion(look):
    page = look("/?q=bird", reduced_motion="reduce")
    clip = page.locator(".clip").first
    clip.hover()
    player = load(page, ".clip video")
    assert player.evaluate("x => x.paused")


@pytest.mark.parametrize("address", ["/", "/?q=bird", "/?video=plain"])
def test_every_control_has_a_name_and_every_part_a_role(look, address):
    page = look(address)
    page.wait_for_function("() => document.querySelector('#status').textContent")
    roles = accessible(page)
    named = {"button", "searchbox", "video", "Video", "link", "search", "region", "list"}
    assert not [(role, name) for role, name in roles if role in named - {"list"} and not name.strip()]
    assert {role for role, _ in roles} >= {"banner", "main", "search", "status", "searchbox", "list", "link"}
    assert_headings_nest(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("address", ["/?q=bird", "/?video=plain", "/?q="])
def test_it_fits_and_is_readable_in_light_and_dark(look, scheme, width, address):
    page = look(address, color_scheme=scheme, viewport={"width": width, "height": 900})
    assert_fits_and_can_be_read(page, scheme, width, 30)


def test_without_scripts_it_searches_and_plays(look):
    page = look("/?q=bird", java_script_enabled=False)
    assert page.locator(".tile").count() == 12
    assert page.locator(".tile video[controls][src]").count() == 11
    page.get_by_label("Search for").fill("song")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/?q=song&where=")
    page.get_by_role("link", name="videos like plain", exact=True).click()
    page.wait_for_url("**/?video=plain#similar")
