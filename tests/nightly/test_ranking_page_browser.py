"""The ranking page in a real browser, opened as a file and from a server."""

import pytest
from helpers.browser import ATTACK, ODD_IDS, assert_plays_when_pointed_at_and_chosen, needs_browser
from helpers.ranking_site import WITHOUT_CLIP, wait_for_status

from misc.reporting.tables import COLUMNS

pytestmark = needs_browser


def headings(page):
    return page.locator("h3").all_text_contents()


def ranks(page):
    return [float(text.removeprefix("rank ")) for text in page.locator(".rank strong").all_text_contents()]


def test_it_loads_and_odd_captions_and_ids_stay_text(ranking_base, visit):
    page = visit(f"{ranking_base}/page/index.html")
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


def test_metrics_have_the_names_of_the_tables_of_results(ranking_base, visit):
    page = visit(f"{ranking_base}/page/index.html")
    assert page.locator("#metrics thead th").all_inner_texts() == [*COLUMNS.values(), "gmean"]


def test_a_clip_plays_when_pointed_at_and_has_controls_when_chosen(ranking_base, visit):
    page = visit(f"{ranking_base}/page/index.html")
    assert_plays_when_pointed_at_and_chosen(page)


def test_clips_of_any_id_are_found_and_missing_clips_have_placeholders(ranking_base, visit):
    page = visit(f"{ranking_base}/page/index.html#direction=v2t")
    assert set(headings(page)) == set(ODD_IDS)
    for number, name in enumerate(headings(page)):
        card = page.locator("article").nth(number)
        if name in WITHOUT_CLIP:
            assert card.locator(".placeholder").all_text_contents() == [f"{name}no clip"]
        else:
            card.scroll_into_view_if_needed()
            player = card.locator("video").element_handle()
            page.wait_for_function("player => player.readyState > 0 && player.videoWidth === 64", arg=player)


def test_clips_load_only_near_the_window_and_broken_clips_have_a_message(ranking_base, visit, ranking_folder):
    broken = ranking_folder / "clips" / "plain.webm"
    whole = broken.read_bytes()
    broken.write_bytes(b"no clip at all")
    page = visit(f"{ranking_base}/page/index.html#search=plain")
    page.get_by_text("the clip cannot be played").first.wait_for()
    broken.write_bytes(whole)
    page = visit(f"{ranking_base}/page/index.html")
    loaded = "[...document.querySelectorAll('video')].map(x => x.hasAttribute('src'))"
    page.wait_for_function(f"() => {loaded}[0]")
    assert not page.evaluate(f"{loaded}.at(-1)")
    page.wait_for_timeout(500)  # for clips far from the window that would load by mistake
    places = "[...document.querySelectorAll('video[src]')].map(x => x.getBoundingClientRect().top)"
    assert max(page.evaluate(places)) < 2 * page.viewport_size["height"]
    page.locator("article").last.scroll_into_view_if_needed()
    page.wait_for_function(f"() => {loaded}.at(-1) && !{loaded}[0]")


def test_cards_show_the_retrieved_videos_and_weights(ranking_base, visit):
    page = visit(f"{ranking_base}/page/index.html")
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
    """Return per tile the experts whose weights do not count."""
    experts = [tiles.nth(i).locator(".experts > .idle .expert").all_text_contents() for i in range(tiles.count())]
    return [set(names) for names in experts]


@pytest.mark.parametrize(("name", "number", "leaky"), [("page", 2, False), ("many", 1, True)])
def test_bars_and_help_show_which_weights_count(ranking_folder, visit, name, number, leaky):
    """Those of the video that is compared; with the leak those of the caption's own video."""
    page = visit(f"{ranking_folder.as_uri()}/{name}/index.html")
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


def test_sort_filter_search_direction_and_pages(ranking_base, visit):
    page = visit(f"{ranking_base}/many/index.html")
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


def test_a_reload_and_a_link_keep_the_choice(ranking_base, visit):
    page = visit(f"{ranking_base}/many/index.html")
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
    wait_for_status(page, "60 of 60 queries (sampled from 175)")  # invalid values are ignored


def test_epochs_load_when_they_are_chosen(ranking_base, visit):
    page = visit(f"{ranking_base}/page/index.html")
    scripts = "[...document.scripts].map(x => x.src.split('/').at(-1)).filter(x => /^\\d/.test(x))"
    assert page.evaluate(scripts) == ["2.js"]
    page.get_by_label("Evaluation").select_option("epoch 1, val")
    page.wait_for_function("() => document.querySelector('#about').textContent.includes('epoch 1')")
    assert page.evaluate(scripts) == ["2.js", "1.js"]
    assert page.locator(".expert").count() and page.locator(".bar").count() == 0  # an evaluation without weights
    page = visit(f"{ranking_base}/many/index.html")
    assert page.get_by_label("Evaluation").is_hidden()
