"""The gallery's page: complete, readable by everybody, asking nothing of anyone else, and safe against its labels."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
import runs

from flows import cli, gallery
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
    assert len(page.of("img")) == 5
    assert all(image["alt"].strip() for image in page.of("img"))
    assert any(meta.get("name") == "viewport" for meta in page.of("meta"))


def test_every_picture_is_there_with_what_it_was_made_with(page, first):
    shown = {unquote(image["src"]).removeprefix("../"): image["alt"] for image in page.of("img")}
    assert {name for name in shown if name.startswith("renders/")} == set(runs.files(first.out, "renders"))
    for name, receipt in runs.receipts(first.out).items():
        weight = {10: "10", 1000: "1000"}[receipt["cell"]["settings"]["style_weight"]]
        assert shown[name] == f"{receipt['cell']['content']['label']} in the style of blocks (style_weight {weight})"
    assert page.text.count("style_weight 10\n") + page.text.count("style_weight 1000\n") == 4, (
        "captions name the settings"
    )


def test_every_link_leads_to_a_file_of_the_output(page, first):
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("href", "src")]
    assert len(links) > 10
    for link in links:
        assert link == "data:," or (first.out / "gallery" / unquote(link)).resolve().is_file(), link


def test_nothing_is_asked_of_anybody_else(first):
    for name, data in runs.files(first.out, "gallery").items():
        if not name.endswith(".jpg"):
            assert not re.search(rb"(https?:)?//[\w.]", data), name


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
    assert page.of("script") == []
    assert page.title == hostile
    assert all(hostile in image["alt"] for image in page.of("img"))
    assert "49" not in page.text


def test_it_is_built_again_to_the_same_bytes(study):
    before = runs.files(study.out, "gallery")
    (study.out / "gallery/index.html").unlink()
    (study.out / "gallery/gallery.css").write_text("altered")
    store, ledger = open_output(str(study.out), print)
    gallery.build(store, ledger, "two photographs", ["sheets/content-by-style_weight-1.png"])
    assert runs.files(study.out, "gallery") == before


def sheets_linked(out):
    page = Page((out / "gallery/index.html").read_text())
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


def test_a_copy_elsewhere_is_whole_and_only_what_changed_is_copied_again(study, s3):
    source, _ = open_output(str(study.out), print)
    target = open_store(f"s3://{s3.bucket}/site")
    assert gallery.publish(source, target) >= 4 + 2 + 2
    for part in ("renders", "sheets", "gallery"):
        for name, data in runs.files(study.out, part).items():
            assert target.read(name) == data
    head = s3.client().head_object(Bucket=s3.bucket, Key="site/gallery/index.html")
    assert head["ContentType"].startswith("text/html")
    written = {entry.name: entry.token for entry in target.list("renders/")}
    gallery.publish(source, target)
    assert {entry.name: entry.token for entry in target.list("renders/")} == written
