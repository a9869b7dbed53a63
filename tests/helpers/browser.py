"""Pages in headless Chromium."""

import shutil

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed: apt-get install chromium")

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
ATTACK = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
ODD_IDS = ["plain", "\"quoted\" 'id'", "100%", "what?#1", "żółw 映画", "folder/clip", ATTACK.replace("/", ""), "../outside"]

# The contrast of each visible text to its background, and the class or tag of its element.
CONTRASTS = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((x) => x / 255)
    .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    const color = channels(getComputedStyle(element).backgroundColor);
    return color.length === 3 || color[3] === 1 ? color : behind(element.parentElement);
  };
  const texts = [...document.body.querySelectorAll("*")].filter((x) => x.checkVisibility({ visibilityProperty: true })
    && !x.disabled && [...x.childNodes].some((y) => y.nodeType === Node.TEXT_NODE && y.data.trim()));
  return texts.map((x) => {
    const [a, b] = [luminance(channels(getComputedStyle(x).color)), luminance(behind(x))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), x.className || x.tagName];
  });
}"""


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=ARGUMENTS.split())
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Open an address in a new window; the page may neither log to the console nor request anything elsewhere.

    It is loaded when `ready` exists; `within` is the prefix of the addresses that it may request (None: its folder).
    """
    contexts, complaints = [], []

    def visit(address, ready="article", within=None, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        start = within or address.partition("/index.html")[0].rpartition("/")[0]
        page.on("request", lambda request: request.url.startswith((start, "data:")) or complaints.append(request.url))
        page.goto(address)
        if options.get("java_script_enabled", True):
            page.wait_for_selector(ready)
        return page

    yield visit
    hacked = [page.evaluate("window.hacked ?? null") for context in contexts for page in context.pages]
    for context in contexts:
        context.close()
    assert not complaints and not any(hacked)


def playing(page, player):
    """Wait until a clip of `ranking.write_clip` plays."""
    page.wait_for_function("player => !player.paused && player.currentTime > 0.2 && player.videoWidth === 64", arg=player)


def assert_plays_when_pointed_at_and_chosen(page):
    """Assert that the first clip of a page plays, and return its player, which has controls then."""
    clip = page.locator(".clip").first
    player = clip.locator("video").element_handle()
    assert player.evaluate("x => x.muted && x.loop && x.preload === 'metadata' && !x.controls")
    clip.hover()
    playing(page, player)
    assert player.evaluate("x => x.muted")
    page.mouse.move(0, 0)
    page.wait_for_function("player => player.paused", arg=player)
    clip.get_by_role("button").click()
    playing(page, player)
    assert player.evaluate("x => x.controls && x === document.activeElement && !x.muted && x.volume === 1")
    return player


def accessible(page):
    """Return role and name of all nodes for a screen reader."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]


def assert_headings_nest(page):
    """Assert that there is one first heading, and that no heading skips a level."""
    levels = [int(level) for level in page.locator("h1,h2,h3").evaluate_all("all => all.map(x => x.tagName[1])")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def assert_fits_and_can_be_read(page, scheme, width, texts=100):
    """Assert that a page fits the window, and that its texts, at least so many, contrast with a background of the scheme."""
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > texts
    assert not [found for found in contrasts if found[0] < 4.5]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(background.split("(")[1].split(",")[0]) > 128) == (scheme == "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
