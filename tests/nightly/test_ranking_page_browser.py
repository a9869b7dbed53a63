"""The ranking page in a real browser, opened as a file and from a server."""

import functools
import http.server
import shutil
import threading

import pytest
from helpers.browser import (
    ATTACK,
    ODD_IDS,
    accessible,
    assert_fits_and_can_be_read,
    assert_headings_nest,
    assert_plays_when_pointed_at_and_chosen,
    needs_browser,
    playing,
)
from helpers.ranking_pages import make_page_data, write_clip

from misc.reporting.tables import COLUMNS
from utils.visualizer import Visualizer

pytestmark = needs_browser

WITHOUT_CLIP = {"../outside"}
NUM_QUERIES = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two epochs of the odd ids, with clips; and `many`, leaky ones without clips that fill several pages."""
    folder = tmp_path_factory.mktemp("web")
    write_clip(folder / "outside.webm")
    for name in ODD_IDS:
        if name not in WITHOUT_CLIP:
            (folder / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "outside.webm", folder / "clips" / f"{name}.webm")
    captions = [[f"a caption of {name}", f"{ATTACK} {v}", "Ünïcode \u2028 100% \udc80"] for v, name in enumerate(ODD_IDS)]
    page = Visualizer(str(folder / "clips"), folder=folder / "page", name=f"toy {ATTACK}", similarity="pairwise")
    for epoch in (1, 2):
        data = make_page_data(num_videos=8, seed=epoch, ids=ODD_IDS, captions=captions, weighted=epoch > 1)
        page.show(data, epoch, "val")
    many = Visualizer(num_samples=NUM_QUERIES, folder=folder / "many", name="many", similarity="paired-2019")
    many.show(make_page_data(num_videos=70), 1, "val")
    return folder


@pytest.fixture(scope="module")
def server(folder):
    """The address of a server of `folder`, as `python -m http.server` is one."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    server.handle_error = lambda *_: None  # players hang up when they have enough
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["file", "http"])
def base(request, folder, server):
    return folder.as_uri() if request.param == "file" else server


def headings(page):
    return page.locator("h3").all_text_contents()


def ranks(page):
    return [float(text.removeprefix("rank ")) for text in page.locator(".rank strong").all_text_contents()]


def wait_for_status(page, text):
    page.wait_for_function("text => document.querySelector('#status').textContent === text", arg=text)


def test_it_loads_and_odd_captions_and_ids_stay_text(base, visit):
    page = visit(f"{base}/page/index.html")
    assert page.locator("h1").inner_text() == f"toy {ATTACK}"
    assert page.locator("#about").inner_text() == "split val · epoch 2 · 8 videos · 24 captions · similarity pairwise"
    assert page.locator("#leaky").is_hidden()
    page.get_by_label("Search").fill("SCRIPT")
    wait_for_status(page, "10 of 24 queries")  # eight captions, and the two others of the id that is like them
    assert f"{ATTACK} 0" in headings(page)
    page.get_by_label("Search").fill("ÜNÏCODE")
    wait_for_status(page, "8 of 24 queries")
    page.get_by_label("Search").fill("100%")
    wait_for_status(page, "10 of 24 queries")  # the three captions of that id, and a caption of each other


def test_metrics_have_the_names_of_the_tables_of_results(base, visit):
    page = visit(f"{base}/page/index.html")
    assert page.locator("#metrics thead th").all_inner_texts() == [*COLUMNS.values(), "gmean"]


def test_a_clip_plays_when_pointed_at_and_has_controls_when_chosen(base, visit):
    page = visit(f"{base}/page/index.html")
    assert_plays_when_pointed_at_and_chosen(page)


def test_every_clip_is_found_whatever_its_id_and_the_others_have_placeholders(base, visit):
    page = visit(f"{base}/page/index.html#direction=v2t")
    assert set(headings(page)) == set(ODD_IDS)
    for number, name in enumerate(headings(page)):
        card = page.locator("article").nth(number)
        if name in WITHOUT_CLIP:
            assert card.locator(".placeholder").all_text_contents() == [f"{name}no clip"]
        else:
            card.scroll_into_view_if_needed()
            player = card.locator("video").element_handle()
            page.wait_for_function("player => player.readyState > 0 && player.videoWidth === 64", arg=player)


def test_clips_load_near_the_window_alone_and_one_that_cannot_be_played_says_so(base, visit, folder):
    broken = folder / "clips" / "plain.webm"
    whole = broken.read_bytes()
    broken.write_bytes(b"no clip at all")
    page = visit(f"{base}/page/index.html#search=plain")
    page.get_by_text("the clip cannot be played").first.wait_for()
    broken.write_bytes(whole)
    page = visit(f"{base}/page/index.html")
    loaded = "[...document.querySelectorAll('video')].map(x => x.hasAttribute('src'))"
    page.wait_for_function(f"() => {loaded}[0]")
    assert not page.evaluate(f"{loaded}.at(-1)")
    page.wait_for_timeout(500)  # for those that would load though nobody is near them
    places = "[...document.querySelectorAll('video[src]')].map(x => x.getBoundingClientRect().top)"
    assert max(page.evaluate(places)) < 2 * page.viewport_size["height"]
    page.locator("article").last.scroll_into_view_if_needed()
    page.wait_for_function(f"() => {loaded}.at(-1) && !{loaded}[0]")


def test_cards_say_what_was_retrieved_and_why(base, visit):
    page = visit(f"{base}/page/index.html")
    data = page.evaluate("evaluations.get(2)")
    query = max(data["t2v"]["queries"], key=lambda query: query["rank"])
    card = page.locator("article").first
    tied = ", tied" if query["rank"] % 1 else ""
    assert card.locator(".rank").text_content() == f"rank {query['rank']:g}of 8{tied}"
    tiles = card.locator(".tiles > li")
    assert tiles.count() == 6
    expected = [[query["truth"], query["similarity"]], *query["best"]]
    weights = data["texts"][query["text"]]["weights"]
    for number, (video, similarity) in enumerate(expected):
        assert tiles.nth(number).locator(".similarity").inner_text() == f"{similarity:.3f}"
        spoken = tiles.nth(number).locator(".experts .unseen").all_text_contents()
        states = ["present" if has else "missing" for has in data["videos"][video]["has"]]
        for text, expert, weight, state in zip(spoken, data["experts"], weights, states, strict=True):
            assert text.startswith(f"{expert}: weight ") and text.endswith(f", {state}")
            assert abs(int(text.split()[2].partition("\u00a0")[0]) - 100 * weight) <= 0.51
    page.get_by_label("Sort").select_option("best")
    marked = page.locator("article").first.locator(".tiles > .right")
    assert marked.locator("b").inner_text() == "1. ✓ right"
    assert page.locator("article").first.locator(".tiles > li").nth(1).get_attribute("class") == "right"


def idle(tiles):
    """Of each tile, the experts whose weights count nothing."""
    experts = [tiles.nth(i).locator(".experts > .idle .expert").all_text_contents() for i in range(tiles.count())]
    return [set(names) for names in experts]


@pytest.mark.parametrize(("name", "number", "leaky"), [("page", 2, False), ("many", 1, True)])
def test_bars_and_help_say_which_weights_count(folder, visit, name, number, leaky):
    """Those of the video that is compared; with the leak those of the caption's own video."""
    page = visit(f"{folder.as_uri()}/{name}/index.html")
    assert page.get_by_text("whatever video it is compared with").count() == int(leaky)
    assert page.get_by_text("sums over the experts that the video has").count() == int(not leaky)
    data = page.evaluate(f"evaluations.get({number})")
    lacks = [{e for e, has in zip(data["experts"], v["has"], strict=True) if not has} for v in data["videos"]]
    query = max(data["t2v"]["queries"], key=lambda query: query["rank"])
    compared = [query["truth"], *(video for video, _ in query["best"])]
    counted = [query["truth"]] * 6 if leaky else compared
    tiles = page.locator("article").first.locator(".tiles > li")
    assert idle(tiles) == [lacks[video] for video in counted]
    page.get_by_label("video to text").check(force=True)
    query = max(data["v2t"]["queries"], key=lambda query: query["rank"])
    owners = [data["texts"][text]["video"] for text in (query["truth"], *(text for text, _ in query["best"]))]
    counted = owners if leaky else [query["video"]] * 6
    assert idle(tiles) == [set(), *(lacks[video] for video in counted)]


def test_sort_filter_search_direction_and_pages(base, visit):
    page = visit(f"{base}/many/index.html")
    wait_for_status(page, "60 of 60 queries (sampled from 175)")
    assert page.locator("article").count() == 10
    assert page.locator("#leaky").is_visible() and page.locator("video").count() == 0
    worst = ranks(page)
    assert worst == sorted(worst, reverse=True)
    page.locator("#below").get_by_role("button", name="Next").click()
    assert page.locator("#above .position").inner_text() == "page 2 of 6"
    assert ranks(page)[0] <= worst[-1]
    page.get_by_label("Sort").select_option("best")
    best = ranks(page)
    assert best == sorted(best) and page.locator("#above .position").inner_text() == "page 1 of 6"
    page.get_by_label("Sort").select_option("list")
    numbers = [int(text.split()[-1]) for text in headings(page)]
    assert numbers == sorted(numbers)

    queries = page.evaluate("evaluations.get(1).t2v.queries.map(query => query.rank)")
    expected = sum(10.5 < rank < 51 for rank in queries)
    page.get_by_role("button", name="rank 11–50").click()
    wait_for_status(page, f"{expected} of 60 queries (sampled from 175)")
    assert all(10.5 < rank < 51 for rank in ranks(page))
    page.get_by_role("button", name="rank 11–50").click()
    wait_for_status(page, "60 of 60 queries (sampled from 175)")

    page.get_by_role("radio", name="video to text").check()
    wait_for_status(page, "60 of 60 queries (sampled from 70)")
    page.get_by_label("Search").fill("video1")
    page.wait_for_function("() => matching.length < 60")
    assert all("video1" in text for text in headings(page))
    page.get_by_label("Search").fill("no such thing")
    wait_for_status(page, "0 of 60 queries (sampled from 70)")
    assert all(button.is_disabled() for button in page.get_by_role("button", name="Next").all())


def test_a_reload_and_a_link_keep_the_choice(base, visit):
    page = visit(f"{base}/many/index.html")
    page.get_by_role("radio", name="video to text").check()
    page.get_by_label("Sort").select_option("best")
    page.get_by_role("button", name="rank 6–10").click()
    page.get_by_role("button", name="rank 11–50").click()
    page.get_by_label("Search").fill("video")
    page.wait_for_function("() => shown.search === 'video'")
    page.locator("#above").get_by_role("button", name="Next").click()
    state = ranks(page), headings(page)
    assert page.locator("#above .position").inner_text().startswith("page 2") and all(5.5 < rank < 51 for rank in state[0])
    for same in (lambda: page.reload() and page, lambda: visit(page.url)):
        again = same()
        again.wait_for_selector("article")
        assert (ranks(again), headings(again)) == state
        assert (
            again.get_by_label("Search").input_value() == "video"
            and again.get_by_role("radio", name="video to text").is_checked()
        )
        assert again.get_by_role("button", name="rank 11–50").get_attribute("aria-pressed") == "true"
    page.evaluate("location.hash = 'direction=neither&sort=x&ranks=9&page=-3&evaluation=77'")
    wait_for_status(page, "60 of 60 queries (sampled from 175)")  # what makes no sense is as if it were not there


def test_epochs_load_when_they_are_chosen(base, visit):
    page = visit(f"{base}/page/index.html")
    scripts = "[...document.scripts].map(x => x.src.split('/').at(-1)).filter(x => /^\\d/.test(x))"
    assert page.evaluate(scripts) == ["2.js"]
    page.get_by_label("Evaluation").select_option("epoch 1, val")
    page.wait_for_function("() => document.querySelector('#about').textContent.includes('epoch 1')")
    assert page.evaluate(scripts) == ["2.js", "1.js"]
    assert page.locator(".expert").count() and page.locator(".bar").count() == 0  # an evaluation without weights
    page = visit(f"{base}/many/index.html")
    assert page.get_by_label("Evaluation").is_hidden()


def test_it_is_usable_with_the_keyboard_alone(base, visit):
    page = visit(f"{base}/page/index.html")
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

    page = visit(f"{base}/many/index.html")
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


def test_nothing_moves_on_its_own_where_that_is_not_wanted(base, visit):
    page = visit(f"{base}/page/index.html", reduced_motion="reduce")
    clip = page.locator(".clip").first
    player = clip.locator("video").element_handle()
    clip.hover()
    page.wait_for_function("player => player.readyState > 0", arg=player)
    assert player.evaluate("x => x.paused")
    clip.get_by_role("button").click()
    playing(page, player)


def test_every_control_has_a_name_and_every_part_a_role(server, visit):
    page = visit(f"{server}/page/index.html")
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
def test_it_fits_and_can_be_read_in_light_and_dark(server, visit, scheme, width):
    page = visit(f"{server}/page/index.html#ranks=0", color_scheme=scheme, viewport={"width": width, "height": 900})
    assert_fits_and_can_be_read(page, scheme, width)


def test_without_scripts_it_says_what_is_missing(server, visit):
    page = visit(f"{server}/page/index.html", java_script_enabled=False)
    assert "needs JavaScript" in page.locator(".notice").first.inner_text()
