"""The search page in a real browser."""

import urllib.parse

import pytest
from helpers.browser import ATTACK, ODD_IDS, assert_plays_when_pointed_at_and_chosen, needs_browser, playing
from helpers.search_pages import EXPERTS, WEIGHTS
from helpers.search_site import BROKEN, FOCUS, IDS, WITHOUT_CLIP, WORDS, load

pytestmark = needs_browser


def names(page):
    return page.locator(".tile .name").all_text_contents()


def read_experts(tile):
    return tile.locator(".experts .unseen").all_text_contents()


def test_a_search_shows_the_videos_in_the_searchers_order(look, page_searcher):
    page = look()
    assert page.evaluate(f"{FOCUS}.id") == "query"
    page.keyboard.type("a bird")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=a+bird")
    assert names(page) == IDS[:12]
    page.wait_for_function("() => document.querySelector('#status').textContent === '12 best of 29 videos for “a bird”'")
    assert page.title() == f"a bird – Odd {ATTACK}"
    assert page.get_by_label("Search for").input_value() == "a bird"
    expected = [f"{hit.similarity:.3f}" for hit in page_searcher.search("a bird", 12).hits]
    assert page.locator(".tile .similarity").all_text_contents() == expected
    page.get_by_role("link", name="Show more").click()
    page.wait_for_url("**k=24#rank-13")
    assert names(page) == IDS[:24]


def test_results_show_weights_missing_experts_and_words(look, page_searcher):
    """Weights as they apply to each video, experts that are missing, recognized words of the query."""
    page = look("/?q=the+bird+SINGS")
    order = sorted(EXPERTS, key=lambda name: -WEIGHTS[name])
    hits = page_searcher.search("the bird SINGS", 12).hits
    page.locator(".why").evaluate_all("all => all.forEach((x) => { x.open = true; })")
    highest = max(weight for hit in hits for weight in hit.weights.values())
    for number, hit in enumerate(hits):
        tile = page.locator(".tile").nth(number)
        spoken = [
            f"{name}: weight {100 * hit.weights[name]:.0f}\u00a0%, present" if name in hit.experts else f"{name}: missing"
            for name in order
        ]
        assert read_experts(tile) == spoken
        widths = tile.locator(".bar rect").evaluate_all("all => all.map(x => x.getBoundingClientRect().width)")
        tracks = tile.locator(".bar").evaluate_all("all => all.map(x => x.getBoundingClientRect().width)")
        shares = [hit.weights[name] / highest for name in order if name in hit.experts]
        assert [w / track for w, track in zip(widths, tracks, strict=True)] == pytest.approx(shares, abs=0.02)
        assert tile.locator(".missing .expert").all_text_contents() == [x for x in order if x not in hit.experts]
    ocr, speech = page.locator(".tile").first.locator(".words").all()
    assert ocr.inner_text().split(maxsplit=1) == ["ocr", " ".join(WORDS["ocr"])]
    assert ocr.locator("mark").all_text_contents() == ["Bird!"]
    assert speech.locator("mark").all_text_contents() == ["ＢＩＲＤ", "sings"]
    assert speech.inner_text().split()[1] == "…" and "word89" in speech.inner_text()
    page.locator("details.help").click()
    given = page.locator(".help .experts .unseen").all_text_contents()
    assert given == [f"{name}: weight {100 * WEIGHTS[name]:.0f}\u00a0%" for name in order]


def test_a_clip_plays_when_pointed_at_and_seeks_when_chosen(look):
    page = look("/?q=bird")
    player = assert_plays_when_pointed_at_and_chosen(page)
    assert player.evaluate("x => x.readyState >= 2")
    player.evaluate("x => { x.pause(); x.currentTime = 3; }")
    page.wait_for_function("x => !x.seeking && x.readyState >= 2 && Math.abs(x.currentTime - 3) < 0.1", arg=player)


def test_only_the_chosen_clip_is_heard_and_it_stays_paused(look):
    page = look("/?q=bird")
    heard = "x => !x.paused && !x.muted && x.currentTime > 0.2 && x.webkitAudioDecodedByteCount > 0"
    one, two = (page.locator(".tile .clip").nth(i) for i in (0, 1))
    players = [clip.locator("video").element_handle() for clip in (one, two)]
    one.get_by_role("button").click()
    page.wait_for_function(heard, arg=players[0])
    two.hover()  # a preview is silent and does not pause the other clip
    playing(page, players[1])
    assert players[1].evaluate("x => x.muted") and players[0].evaluate("x => !x.paused")
    two.get_by_role("button").press("Enter")
    page.wait_for_function(heard, arg=players[1])
    page.wait_for_function("x => x.paused && x.controls", arg=players[0])
    one.hover()
    page.wait_for_timeout(100)  # nothing should happen
    assert players[0].evaluate("x => x.paused") and players[1].evaluate("x => !x.paused")
    players[0].evaluate("x => x.play()")
    page.wait_for_function("x => x.paused", arg=players[1])


def test_clips_of_any_id_play_and_others_have_a_message(look):
    page = look("/?q=bird")
    for number, name in enumerate(names(page)):
        tile = page.locator(".tile").nth(number)
        tile.scroll_into_view_if_needed()
        if name == WITHOUT_CLIP:
            assert tile.locator(".placeholder").inner_text() == "no clip"
        elif name == BROKEN:
            tile.get_by_text("this browser cannot play it").wait_for()
        else:
            player = tile.locator("video").element_handle()
            page.wait_for_function("player => player.readyState > 0 && player.videoWidth === 64", arg=player)


@pytest.mark.parametrize("video", ["folder/clip", ODD_IDS[6], WITHOUT_CLIP])
def test_a_video_links_to_similar_videos_and_to_captions(look, page_searcher, video):
    page = look("/?q=bird")
    page.get_by_role("link", name=f"videos like {video}", exact=True).click()
    page.wait_for_url("**/?video=*#similar")
    assert page.locator(".subject h2").inner_text() == video
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(page.url).query) == {"video": [video]}
    if video == WITHOUT_CLIP:
        assert page.locator(".subject .placeholder").inner_text() == "no clip"
    else:
        assert load(page, ".subject video").evaluate("x => x.controls")
    assert names(page) == [name for name in IDS if name != video][:12]
    has = page_searcher.experts_of(video)
    for hit, tile in zip(page_searcher.similar(video, 12).hits, page.locator(".tile").all(), strict=True):
        states = {True: "present" if hit.experts else "", False: "missing"}
        expected = [
            f"{x}: {states[x in hit.experts] if x in has or x not in hit.experts else 'the other video lacks it'}"
            for x in EXPERTS
        ]
        assert read_experts(tile) == expected
    fitting = page_searcher.v2t(video, 12)
    rows = page.locator(".captions > li")
    assert rows.count() == len(fitting) == 12
    for hit, row in zip(fitting, rows.all(), strict=True):
        assert row.locator("a").first.text_content() == hit.caption.replace("\udc80", "?")
        assert row.locator(".similarity").inner_text() == f"{hit.similarity:.3f}"
        shown = dict(text.split(": ") for text in row.locator(".experts .unseen").all_text_contents())
        assert shown == {x: f"weight {100 * hit.weights[x]:.0f}\u00a0%, present" if x in has else "missing" for x in EXPERTS}
    own = [row.locator("a").first.text_content() for row in rows.all() if "✓ its own" in row.inner_text()]
    assert own == [hit.caption.replace("\udc80", "?") for hit in fitting if hit.video == video]


def test_a_caption_links_to_its_search_and_the_history_works(look):
    page = look("/?q=bird")
    page.get_by_role("link", name="captions that fit plain", exact=True).click()
    page.wait_for_url("**/?video=plain#captions")
    page.get_by_role("link", name="a caption of plain", exact=True).click()
    page.wait_for_url("**/?q=a%20caption%20of%20plain")
    assert page.get_by_label("Search for").input_value() == "a caption of plain"
    page.go_back()
    assert page.locator(".subject h2").text_content() == "plain"
    page.go_back()
    assert page.get_by_label("Search for").input_value() == "bird" and names(page) == IDS[:12]
    page.go_forward()
    assert page.locator(".subject h2").text_content() == "plain"
    page.reload()
    assert page.locator(".subject h2").text_content() == "plain"


def test_hostile_queries_stay_text(look):
    for asked in (ATTACK, "\"' onfocus=window.hacked=1 autofocus x='", "{{ 7*7 }} {% raw %} 100% \u202e"):
        page = look(f"/?q={urllib.parse.quote(asked)}")
        assert page.get_by_label("Search for").input_value() == asked
        assert f"for “{asked}”" in page.locator("#status").text_content()
        assert page.locator("main script, main img").count() == 0


def test_a_filter_is_sent_without_a_query(look):
    page = look()
    page.locator(".filter summary").click()
    page.get_by_label("only videos with").fill("name=plain")
    page.keyboard.press("Enter")
    page.wait_for_url("**where=name%3Dplain")
    assert names(page) == [video for video in IDS if "plain" in video] != []


def test_an_empty_query_is_not_sent(look):
    page = look()
    page.keyboard.type("  ")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Search").click()
    assert page.evaluate("location.search") == "" and page.evaluate(f"{FOCUS}.id") == "query"
