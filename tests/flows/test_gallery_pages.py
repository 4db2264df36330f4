"""The gallery in a real browser: over HTTP and from files, by mouse and keys, large and small, without scripts."""

import functools
import http.server
import json
import re
import shutil
import threading
from types import SimpleNamespace

import fake_gallery
import pytest
import yaml

from flows import gallery
from flows.manifest import load
from flows.output import open_output

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser's driver is not installed: stylepress[test]")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)"),
    pytest.mark.xdist_group("browser"),
]
COUNT = 36
PATIENCE = 120_000  # milliseconds, for machines with other work to do
HOSTILE = (
    "<img src=x onerror=\"document.title='hacked'\">",
    "\"'><script>document.title='hacked'</script>{{ 7*7 }}",
    "🌊 سماء فوق البحر",
    "an endless label " * 18,
)
STYLES = ("woodcut", "stained & <b>glass</b>")
TILES = "#wall figure img"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_):
        pass


def built(folder, count, **more):
    out = fake_gallery.make(folder, count, longest=240, **more)
    store, ledger = open_output(str(out), print)
    gallery.build(store, ledger, "fake pictures", [])
    return out


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Galleries of drawn pictures at `.http` and `.file`: `plain/`, and `hostile/` with labels that attack."""
    folder = tmp_path_factory.mktemp("site")
    out = built(folder / "plain", COUNT)
    built(folder / "hostile", 12, contents=HOSTILE, styles=STYLES)
    (folder / "favicon.ico").touch()  # browsers ask for it where a page is a picture
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    receipts = [json.loads(path.read_text()) for path in sorted(out.glob("receipts/*/*.json"))]
    yield SimpleNamespace(
        folder=folder, out=out, receipts=receipts, http=f"http://127.0.0.1:{server.server_port}", file=folder.as_uri()
    )
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, timeout=PATIENCE)
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser, site):
    """Opens a page of a gallery; at the end none may have had an error or asked anybody else for anything."""
    contexts, troubles = [], []

    def heard(message):
        if message.type in ("error", "warning"):
            troubles.append(message.text)

    def asked(request):
        if not request.url.startswith((site.http, site.file, "blob:")):
            troubles.append(request.url)

    def go(path="plain/gallery/index.html", *, base=None, phone=False, ready=True, **options):
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 800}
        contexts.append(browser.new_context(viewport=size, reduced_motion="reduce", **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", heard)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", asked)
        page.on("requestfailed", lambda request: troubles.append(f"{request.url}: {request.failure}"))
        page.goto(f"{base or site.http}/{path}", timeout=PATIENCE)
        if ready:
            page.wait_for_selector("body.ready", state="attached")
        return page

    yield go
    for context in contexts:
        context.close()
    assert troubles == []


def settings_of(site, picture):
    return next(r["cell"] for r in site.receipts if r["key"].startswith(picture))


def opened(page):
    """The first digits of the key of the picture that the viewer shows, by the address."""
    return re.search(r"open=([0-9a-f]{12})", page.url)[1]


def shown_in_viewer(page):
    page.wait_for_selector("#viewer .about h3")
    return opened(page)


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_wall_shows_pictures_with_texts_and_all_come_by_scrolling(tab, site, scheme):
    page = tab(base=getattr(site, scheme), phone=True)
    assert page.locator("#count").text_content() == f"{COUNT} pictures"
    first = page.locator(TILES).evaluate_all("images => images.map(image => image.alt)")
    assert 0 < len(first) < COUNT, "what is far from the window is not there"
    page.wait_for_function(f"document.querySelector({TILES!r}).naturalWidth > 0")
    seen = set(first)
    while page.evaluate("scrollY + innerHeight < document.documentElement.scrollHeight - 2"):
        page.evaluate("scrollBy(0, innerHeight / 2)")
        page.wait_for_timeout(60)
        seen |= set(page.locator(TILES).evaluate_all("images => images.map(image => image.alt)"))
    assert len(seen) == COUNT
    assert all(seen)


def test_facets_combine_count_and_come_back_by_the_address(tab, site):
    page = tab()
    cells = [receipt["cell"] for receipt in site.receipts]
    wanted = [c for c in cells if c["style"]["label"] == "woodcut" and c["settings"]["style_weight"] in (1, 20)]
    page.locator("summary", has_text=re.compile("^style$")).click()
    page.locator("details[open]").get_by_label("woodcut").check()
    page.locator("summary", has_text="style weight").click()
    told = {
        label.inner_text().split()[0]: int(label.locator(".number").inner_text())
        for label in page.locator("details[open] label").all()
    }
    woodcuts = [c for c in cells if c["style"]["label"] == "woodcut"]
    assert told == {
        f"{weight:g}": sum(c["settings"]["style_weight"] == weight for c in woodcuts) for weight in fake_gallery.WEIGHTS
    }
    for weight in ("1", "20"):
        page.locator("details[open] label").filter(has=page.get_by_text(weight, exact=True)).first.click()
    said = f"{len(wanted)} of {COUNT} pictures"
    page.wait_for_function(f"document.getElementById('count').textContent === {said!r}")
    again = tab(page.url.removeprefix(site.http + "/"))
    assert again.locator("#count").text_content() == said
    assert again.locator(".chip").count() == 3
    again.get_by_role("button", name="Remove style: woodcut").click()
    weights = sum(c["settings"]["style_weight"] in (1, 20) for c in cells)
    assert again.locator("#count").text_content() == f"{weights} of {COUNT} pictures"


def test_a_choice_that_nothing_fits_says_so_and_can_be_undone(tab):
    page = tab("plain/gallery/index.html#f.style=woodcut&f.seed=9&f.style=none")
    assert page.locator("#count").text_content().endswith(f"of {COUNT} pictures"), "what is unknown is left out"
    page.get_by_role("button", name="Clear all").click()
    assert page.locator("#count").text_content() == f"{COUNT} pictures"


def test_the_grid_puts_each_picture_where_its_row_and_column_say(tab, site):
    page = tab("plain/gallery/index.html#view=grid&rows=content&cols=style_weight&pages=style&page=woodcut")
    page.wait_for_selector("#grid tbody td img")
    columns = page.locator("#grid thead th:not(.corner)").all_inner_texts()
    found = {}
    for row in page.locator("#grid tbody tr:not(.space)").all():
        label = row.locator("th").inner_text()
        for column, cell in zip(columns, row.locator("td").all(), strict=True):
            if cell.locator("img").count():
                found[label, column] = cell.locator("img").get_attribute("alt")
    cells = [r["cell"] for r in site.receipts if r["cell"]["style"]["label"] == "woodcut"]
    weights = sorted({cell["settings"]["style_weight"] for cell in cells})
    assert columns == [f"{weight:g}" for weight in weights]
    assert set(found) == {(c["content"]["label"], f"{c['settings']['style_weight']:g}") for c in cells}
    for (row, column), alt in found.items():
        assert alt.startswith(f"{row} in the style of woodcut (")
        assert f"style_weight {column}," in alt + ","
    page.get_by_label("Columns").select_option("content_layers")
    page.wait_for_function("location.hash.includes('cols=content_layers')")
    assert set(page.locator("#grid thead th:not(.corner)").all_inner_texts()) <= set(fake_gallery.LAYERS)
    page.get_by_role("button", name="Previous page").click()
    assert "page=waves" in page.url


def test_the_grids_headers_stay_when_it_is_scrolled(tab):
    page = tab("plain/gallery/index.html#view=grid&rows=style&cols=content", phone=True)
    page.wait_for_selector("#grid tbody td img")
    assert page.locator("#grid tbody th").all_inner_texts() == sorted(fake_gallery.STYLES)
    frame = page.locator("#grid .frame")
    frame.evaluate("frame => frame.scrollTo(150, 150)")
    box, head, side = (
        page.locator(f"#grid {part}").first.bounding_box() for part in (".frame", "thead th:not(.corner)", "tbody th")
    )
    assert abs(head["y"] - box["y"]) < 2
    assert abs(side["x"] - box["x"]) < 2


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_viewer_by_keyboard(tab, site, scheme):
    page = tab(base=getattr(site, scheme))
    page.locator("#wall a").nth(1).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    first = shown_in_viewer(page)
    assert page.evaluate("document.getElementById('viewer').contains(document.activeElement)")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"!location.hash.includes({first!r})")
    second = shown_in_viewer(page)
    cell = settings_of(site, second)
    about = page.locator("#viewer .about").inner_text()
    assert cell["content"]["label"] in about
    assert "style gram" in about
    page.get_by_text("All settings").click()
    assert "history_size" in page.locator("#viewer .about").inner_text()
    assert page.locator("#viewer svg.curve").get_attribute("aria-label").startswith("Loss from 91")
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")
    assert "open=" not in page.url
    name = page.evaluate("document.activeElement.getAttribute('href')")
    assert second in name, "the focus is on the picture that was shown last"


def test_a_link_to_a_picture_opens_it_and_back_closes_it(tab, site):
    key = site.receipts[7]["key"][:12]
    page = tab(f"plain/gallery/index.html#open={key}")
    assert shown_in_viewer(page) == key
    page.get_by_role("button", name="Close").first.click()
    page.wait_for_selector("#viewer", state="hidden")
    page.locator("#wall a").first.click()
    shown_in_viewer(page)
    page.go_back()
    page.wait_for_selector("#viewer", state="hidden")


def test_manifests_of_one_picture_and_of_a_selection(tab, site):
    picked = [site.receipts[at] for at in (3, 11, 20)]
    keys = [receipt["key"][:12] for receipt in picked]
    page = tab(
        f"plain/gallery/index.html#open={keys[0]}&pick={'.'.join(keys)}",
        permissions=["clipboard-read", "clipboard-write"],
    )
    shown_in_viewer(page)
    page.get_by_role("button", name="Copy manifest").click()
    page.wait_for_selector("#toast:not([hidden])")
    one = yaml.safe_load(page.evaluate("navigator.clipboard.readText()"))
    assert one["defaults"]["content_layers"] == picked[0]["cell"]["settings"]["content_layers"]
    page.keyboard.press("Escape")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download manifest").click()
    text = waiting.value.path().read_text()
    manifest = load(text, "selection.yaml").manifest
    assert [str(added["content"]) for added in manifest.jobs[0].add] == [r["cell"]["content"]["label"] for r in picked]
    for added, receipt in zip(manifest.jobs[0].add, picked, strict=True):
        assert {name: added[name] for name in receipt["cell"]["settings"]} == receipt["cell"]["settings"]
    with page.expect_download() as waiting:
        page.goto(f"{site.http}/plain/gallery/index.html#open={keys[1]}")
        page.get_by_role("link", name="Download").click()
    assert waiting.value.path().read_bytes() == (site.out / picked[1]["picture"]["path"]).read_bytes()


def test_pictures_are_compared_side_by_side_with_one_zoom(tab, site):
    page = tab()
    for number in range(3):
        page.locator("#wall .pick").nth(number).check(force=True)
    page.get_by_role("button", name="Compare").click()
    images = page.locator("#compare img")
    page.wait_for_selector("#compare img")
    assert images.count() == 3
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    moved = images.evaluate_all("images => images.map(image => image.style.transform)")
    assert len(set(moved)) == 1
    assert "scale(1.5)" in moved[0]
    assert "translate(10%" in moved[0]
    again = tab(page.url.removeprefix(site.http + "/"))
    again.wait_for_selector("#compare img")
    assert again.locator("#compare img").count() == 3
    again.keyboard.press("Escape")
    again.wait_for_selector("#compare", state="hidden")
    assert "compare=" not in again.url


def test_before_and_after_with_a_slider(tab, site):
    page = tab(f"plain/gallery/index.html#open={site.receipts[0]['key'][:12]}")
    shown_in_viewer(page)
    page.get_by_role("button", name="Before / after").click()
    page.wait_for_selector("#compare .slider img")
    sources = page.locator("#compare img").evaluate_all("images => images.map(image => image.getAttribute('src'))")
    assert sources[0].startswith("inputs/")
    assert sources[1] == f"../{site.receipts[0]['picture']['path']}"
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "53"
    page.keyboard.press("Escape")
    page.wait_for_selector("#compare", state="hidden")
    assert page.locator("#viewer").is_visible(), "the viewer is still there"


def test_a_point_of_the_front_opens_its_picture(tab, site):
    page = tab("plain/gallery/index.html#view=scores&x=content_ssim&y=style_gram")
    page.wait_for_selector("#plot svg a")
    scores = {r["key"][:12]: (r["scores"]["content_ssim"], r["scores"]["style_gram"]) for r in site.receipts}
    front = {
        key
        for key, (x, y) in scores.items()
        if not any(a >= x and b <= y and (a, b) != (x, y) for a, b in scores.values())
    }
    assert page.locator("#plot svg a").count() == len(front)
    page.locator("#plot svg a").first.focus()
    page.keyboard.press("Enter")
    assert shown_in_viewer(page) in front


def test_labels_that_attack_are_text(tab):
    page = tab("hostile/gallery/index.html")
    for view in ("wall", "grid", "scores"):
        page.locator(f"nav.views [data-view={view}]").click()
        page.wait_for_timeout(200)
    page.locator("nav.views [data-view=wall]").click()
    texts = page.locator("#wall .title").all_text_contents()
    assert {
        text.removesuffix(f" in the style of {style}") for text in texts for style in STYLES if text.endswith(style)
    } <= {label.strip() for label in HOSTILE} | set(HOSTILE)
    page.locator("#wall a").first.click()
    shown_in_viewer(page)
    assert page.title() == "fake pictures"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    plain = tab("hostile/gallery/index.html", java_script_enabled=False, ready=False)
    assert plain.title() == "fake pictures"
    assert "{{ 7*7 }}" in plain.locator("main").inner_text()


def test_without_scripts_all_pictures_are_a_list(tab, site):
    page = tab(java_script_enabled=False, ready=False)
    links = page.locator("ul.list a").all()
    assert len(links) == COUNT
    paths = {link.get_attribute("href").removeprefix("../") for link in links}
    assert paths == {receipt["picture"]["path"] for receipt in site.receipts}
    assert page.locator("#wall").is_hidden()
    page.get_by_role("link", name="Runs").click()
    page.get_by_text("the loss is no number").wait_for()


def test_without_photoswipe_pictures_are_links(tab, site):
    page = site.out / "gallery/index.html"
    bare = page.with_name("bare.html")
    bare.write_text(re.sub(r' data-photoswipe="[^"]*"', "", page.read_text()))
    opened = tab("plain/gallery/bare.html")
    opened.locator("#wall a").first.click()
    opened.wait_for_url("**/renders/*.jpg")


VIEWS = ["", "#view=grid", "#view=scores", "#open={key}", "#compare={key}.{other}", "run"]


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_scrolls_sideways_on_a_phone(tab, site, view):
    page = tab(address(site, view), phone=True, ready=view != "run")
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(tab, site, view, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: stylepress[test]")
    page = tab(address(site, view), ready=view != "run", color_scheme=scheme)
    page.wait_for_timeout(500)
    found = axe.Axe().run(page).response["violations"]
    serious = [
        (rule["id"], [node["html"] for node in rule["nodes"]][:3])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]
    assert serious == []


def address(site, view):
    keys = [receipt["key"][:12] for receipt in site.receipts]
    return "plain/gallery/" + ("run.html" if view == "run" else "index.html" + view.format(key=keys[0], other=keys[9]))


def test_the_theme_is_chosen_and_remembered(tab):
    page = tab(color_scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Theme").click()
    assert page.get_by_role("button", name="Theme: dark").is_visible()
    dark = page.evaluate(colour)
    assert dark != light
    page.reload()
    page.wait_for_selector("body.ready", state="attached")
    assert page.evaluate(colour) == dark
