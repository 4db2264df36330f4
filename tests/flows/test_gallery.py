"""The gallery's page: complete, readable by everybody, asking nothing of anyone else, and safe against its labels."""

import json
import re
import shutil
from collections import defaultdict
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
import runs

from flows import cli, gallery
from flows.gallery import pages
from flows.output import drawn_sheets, last_run, open_output
from flows.store import open_store

TOWER = 'The <b>"Tower"</b> & [/co]'


class Page(HTMLParser):
    """Tags of a page with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.title = [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data
        if self.tags and self.tags[-1][0] == "title" and not self.title:
            self.title = data

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def page(first):
    return Page((first.out / "gallery/index.html").read_text())


def test_it_has_a_language_a_title_and_a_text_for_every_picture(page):
    assert page.of("html")[0]["lang"] == "en"
    assert page.title == "two photographs"
    assert len(page.of("img")) == 4
    assert all(image["alt"].strip() for image in page.of("img"))
    assert any(meta.get("name") == "viewport" for meta in page.of("meta"))


def test_every_picture_is_there_with_what_it_was_made_with(page, first):
    shown = {unquote(link["href"]).removeprefix("../") for link in page.of("a")}
    assert {name for name in shown if name.startswith("renders/")} == set(runs.files(first.out, "renders"))
    texts = {image["alt"] for image in page.of("img")}
    for receipt in runs.receipts(first.out).values():
        weight = {10: "10", 1000: "1000"}[receipt["cell"]["settings"]["style_weight"]]
        assert f"{receipt['cell']['content']['label']} in the style of blocks (style_weight {weight})" in texts
    captions = re.findall(r"style_weight 10+\b", page.text)
    assert sorted(captions) == ["style_weight 10"] * 2 + ["style_weight 1000"] * 2, "captions name the settings"


@pytest.mark.parametrize("name", ["index.html", "run.html"])
def test_every_link_leads_to_a_file_of_the_output(first, name):
    page = Page((first.out / "gallery" / name).read_text())
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("href", "src")]
    assert len(links) > 5
    for link in links:
        path = unquote(link.partition("#")[0])
        assert (first.out / "gallery" / path).resolve().exists(), link


def test_nothing_is_asked_of_anybody_else(first):
    for name, data in runs.files(first.out, "gallery").items():
        if name.endswith((".html", ".css")):
            assert not re.search(rb"(https?:)?//[\w.]|@import|url\(", data), name


@pytest.mark.parametrize("name", ["index.html", "run.html"])
def test_the_policy_allows_no_script_in_the_page_and_there_is_none(first, name):
    text = (first.out / "gallery" / name).read_text()
    page = Page(text)
    (policy,) = [meta["content"] for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert all("src" in script for script in page.of("script"))
    assert not any(name == "style" or name.startswith("on") for _, tag in page.tags for name in tag)
    assert page.of("style") == []


def test_labels_are_text_and_no_markup(page, first):
    assert TOWER in page.text
    assert not page.of("b") or all(TOWER not in str(attributes) for attributes in page.of("b"))
    assert b'<b>"Tower"' not in (first.out / "gallery/index.html").read_bytes()


def test_hostile_labels_and_titles_do_not_get_out_of_their_place(study):
    store, ledger = open_output(str(study.out), print)
    hostile = "\"><script>alert(1)</script>'{{ 7*7 }}"
    for receipt in ledger.receipts.values():
        receipt["cell"]["content"]["label"] = hostile
    gallery.build(store, ledger, hostile, [])
    page = Page((study.out / "gallery/index.html").read_text())
    assert all("src" in script for script in page.of("script"))
    assert page.title == hostile
    assert all(hostile in image["alt"] for image in page.of("img"))
    assert "49" not in page.text
    for script in page.of("script"):
        data = (study.out / "gallery" / script["src"]).read_text()
        assert "<script>" not in data, "what a page holds as data can be no markup either"


def test_it_is_built_again_to_the_same_bytes(study):
    (sheet,) = last_run(open_store(study.out))["sheets"]
    before = runs.files(study.out, "gallery")
    (study.out / "gallery/index.html").unlink()
    (study.out / "gallery/run.html").write_text("altered")
    store, ledger = open_output(str(study.out), print)
    gallery.build(store, ledger, "two photographs", [sheet])
    assert runs.files(study.out, "gallery") == before


def sheets_linked(out):
    page = Page((out / "gallery/run.html").read_text())
    found = [unquote(link["href"]).removeprefix("../") for link in page.of("a")]
    return list(dict.fromkeys(name for name in found if name.startswith("sheets/")))


def test_the_command_shows_the_sheets_of_the_last_run_and_no_stale_ones(study):
    (sheet,) = last_run(open_store(study.out))["sheets"]
    (study.out / "sheets/an-earlier-one-1.png").write_bytes((study.out / sheet).read_bytes())
    assert cli.run(["gallery", str(study.out)]) == 0
    assert sheets_linked(study.out) == [sheet]


def test_without_a_run_file_all_sheets_are_shown_as_people_count(study):
    (sheet,) = last_run(open_store(study.out))["sheets"]
    for number in (10, 2, 1):
        (study.out / f"sheets/x-{number}.png").write_bytes((study.out / sheet).read_bytes())
    (study.out / sheet).unlink()
    for path in (study.out / "runs").iterdir():
        path.unlink()
    assert cli.run(["gallery", str(study.out)]) == 0
    assert sheets_linked(study.out) == ["sheets/x-1.png", "sheets/x-2.png", "sheets/x-10.png"]


@pytest.mark.parametrize("named", [None, "sheets/x-1.png", [], [5, None, {"a": 1}], ["sheets/gone-1.png"]])
def test_a_run_file_that_names_no_sheet_that_is_there_counts_as_none(study, named):
    store = open_store(study.out)
    (sheet,) = last_run(store)["sheets"]
    assert drawn_sheets(store, {"sheets": named}) == [sheet]


def test_a_receipt_whose_picture_is_gone_is_not_shown(study):
    next((study.out / "renders").iterdir()).unlink()
    store, ledger = open_output(str(study.out), print)
    gallery.build(store, ledger, "t", [])
    assert len(Page((study.out / "gallery/index.html").read_text()).of("img")) == 3


def test_an_output_without_pictures_says_so(study):
    shutil.rmtree(study.out / "receipts")
    assert cli.run(["gallery", str(study.out)]) == 0
    page = Page((study.out / "gallery/index.html").read_text())
    assert "Nothing is rendered yet" in page.text
    assert page.of("img") == []


def test_the_page_of_the_runs_tells_of_failures_with_their_reasons(study):
    run = last_run(open_store(study.out))
    failure = {"cell": "a <b>cell</b>", "key": "ab" * 32, "kind": "nan", "message": "the loss is no number"}
    path = study.out / f"runs/{run['run']}.json"
    path.write_text(json.dumps({**run, "failed": 1, "failures": [failure, "no failure"]}))
    assert cli.run(["gallery", str(study.out)]) == 0
    page = Page((study.out / "gallery/run.html").read_text())
    for said in ("a <b>cell</b>", "nan", "the loss is no number", "torch", "two photographs"):
        assert said in page.text


def test_more_pictures_than_fit_a_page_go_on_on_the_next():
    picture = {
        "path": "../renders/p.png",
        "thumb": "ab/ab",
        "widths": [],
        "w": 4,
        "h": 3,
        "title": "t",
        "alt": "t (s 1)",
    }
    index = {"title": "many", "made": "", "count": 450, "viewer": False, "scores": [], "facets": [], "sheets": []}
    index |= {"columns": "data/c.js", "pictures": ["data/p.js"]}
    assets = defaultdict(str)
    written = dict(pages.render(pages.Site(index, "data/index.js", [picture] * 450, assets)))
    assert list(written) == ["pictures-2.html", "pictures-3.html", "run.html", "index.html"]
    shown = {name: Page(text) for name, text in written.items()}
    assert [len(shown[name].of("img")) for name in ("index.html", "pictures-2.html", "pictures-3.html")] == [
        200,
        200,
        50,
    ]
    assert {"href": "pictures-3.html", "rel": "next"} in shown["pictures-2.html"].of("a")
