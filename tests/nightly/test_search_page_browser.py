"""The search page in a real browser."""

import shutil
import urllib.parse

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
from helpers.ranking_pages import write_clip
from helpers.search_pages import EXPERTS, WEIGHTS, StubSearcher, serving

pytest.importorskip("starlette")
from misc.searching.serving.app import make_app  # noqa: E402

pytestmark = needs_browser

WITHOUT_CLIP = "../outside"
WORDS = {"ocr": ["SALE", "Bird!", ATTACK], "speech": [f"word{i}" for i in range(90)] + ["ＢＩＲＤ", "sings"]}
BROKEN = "broken"
IDS = [*ODD_IDS, BROKEN, *(f"more{i}" for i in range(20))]
FOCUS = "document.activeElement"


@pytest.fixture(scope="module")
def searcher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collection")
    write_clip(folder / "clip.webm", frames=48, sound=True)
    for name in IDS:
        if name != WITHOUT_CLIP:
            (folder / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "clip.webm", folder / "videos" / f"{name}.webm")
    (folder / "videos" / f"{BROKEN}.webm").write_bytes(b"no clip at all")
    captions = {name: [f"a caption of {name}", ATTACK, "100% \udc80"] for name in ODD_IDS}
    searcher = StubSearcher(folder, IDS, captions, dict.fromkeys(ODD_IDS, WORDS))
    searcher.folder = folder
    return searcher


@pytest.fixture(scope="module")
def base(searcher):
    with serving(make_app(searcher, f"Odd {ATTACK}", searcher.folder)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def look(visit, base):
    """Open a view of the page."""

    def look(address="/", **options):
        return visit(f"{base}{address}", ready="#results", within=f"{base}/", **options)

    return look


def names(page):
    return page.locator(".tile .name").all_text_contents()


def read_experts(tile):
    return tile.locator(".experts .unseen").all_text_contents()


def load(page, selector="video"):
    """Return the first such player once it shows a picture."""
    player = page.locator(selector).first.element_handle()
    page.wait_for_function("player => player.readyState >= 2 && player.videoWidth === 64", arg=player)
    return player


def test_a_search_shows_the_videos_in_the_searchers_order(look, searcher):
    page = look()
    assert page.evaluate(f"{FOCUS}.id") == "query"
    page.keyboard.type("a bird")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=a+bird")
    assert names(page) == IDS[:12]
    page.wait_for_function("() => document.querySelector('#status').textContent === '12 best of 29 videos for “a bird”'")
    assert page.title() == f"a bird – Odd {ATTACK}"
    assert page.get_by_label("Search for").input_value() == "a bird"
    expected = [f"{hit.similarity:.3f}" for hit in searcher.search("a bird", 12).hits]
    assert page.locator(".tile .similarity").all_text_contents() == expected
    page.get_by_role("link", name="Show more").click()
    page.wait_for_url("**k=24#rank-13")
    assert names(page) == IDS[:24]


def test_results_explain_why_they_were_found(look, searcher):
    """Weights as they apply to each video, experts that are missing, recognized words of the query."""
    page = look("/?q=the+bird+SINGS")
    order = sorted(EXPERTS, key=lambda name: -WEIGHTS[name])
    hits = searcher.search("the bird SINGS", 12).hits
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


def test_a_chosen_clip_is_heard_alone_and_keeps_its_pause(look):
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


def test_every_clip_plays_whatever_its_id_and_the_others_say_so(look):
    page = look("/?q=bird")
    for number, name in enumerate(names(page)):
        tile = page.locator(".tile").nth(number)
        tile.scroll_into_view_if_needed()
        if name == WITHOUT_CLIP:
            assert tile.locator(".placeholder").inner_text() == "no clip"
        elif name == BROKEN:
            tile.get_by_text("the clip cannot be played").wait_for()
        else:
            player = tile.locator("video").element_handle()
            page.wait_for_function("player => player.readyState > 0 && player.videoWidth === 64", arg=player)


@pytest.mark.parametrize("video", ["folder/clip", ODD_IDS[6], WITHOUT_CLIP])
def test_a_video_leads_to_those_like_it_and_to_captions(look, searcher, video):
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
    has = searcher.experts_of(video)
    for hit, tile in zip(searcher.similar(video, 12).hits, page.locator(".tile").all(), strict=True):
        states = {True: "present" if hit.experts else "", False: "missing"}
        expected = [
            f"{x}: {states[x in hit.experts] if x in has or x not in hit.experts else 'the other video lacks it'}"
            for x in EXPERTS
        ]
        assert read_experts(tile) == expected
    fitting = searcher.v2t(video, 12)
    rows = page.locator(".captions > li")
    assert rows.count() == len(fitting) == 12
    for hit, row in zip(fitting, rows.all(), strict=True):
        assert row.locator("a").first.text_content() == hit.caption.replace("\udc80", "?")
        assert row.locator(".similarity").inner_text() == f"{hit.similarity:.3f}"
        shown = dict(text.split(": ") for text in row.locator(".experts .unseen").all_text_contents())
        assert shown == {x: f"weight {100 * hit.weights[x]:.0f}\u00a0%, present" if x in has else "missing" for x in EXPERTS}
    own = [row.locator("a").first.text_content() for row in rows.all() if "✓ its own" in row.inner_text()]
    assert own == [hit.caption.replace("\udc80", "?") for hit in fitting if hit.video == video]


def test_a_caption_asks_for_itself_and_back_leads_back(look):
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


def test_an_empty_query_is_not_sent(look):
    page = look()
    page.keyboard.type("  ")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Search").click()
    assert page.evaluate("location.search") == "" and page.evaluate(f"{FOCUS}.id") == "query"


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
def test_it_fits_and_can_be_read_in_light_and_dark(look, scheme, width, address):
    page = look(address, color_scheme=scheme, viewport={"width": width, "height": 900})
    assert_fits_and_can_be_read(page, scheme, width, 30)


def test_without_scripts_it_searches_and_plays(look):
    page = look("/?q=bird", java_script_enabled=False)
    assert page.locator(".tile").count() == 12
    assert page.locator(".tile video[controls][src]").count() == 11
    page.get_by_label("Search for").fill("song")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/?q=song")
    page.get_by_role("link", name="videos like plain", exact=True).click()
    page.wait_for_url("**/?video=plain#similar")
