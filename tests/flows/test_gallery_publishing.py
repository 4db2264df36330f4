"""Publishing a gallery: whole, with the right headers, only what changed, nothing left behind unless it is said."""

import hashlib
import json
import re
from pathlib import Path
from urllib.parse import unquote

import fake_output
import pytest

from flows import cli, gallery
from flows.gallery.publishing import STATE, labels
from flows.output import open_output
from flows.store import open_store

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
}


def build(out):
    store, ledger = open_output(str(out), print)
    gallery.build(store, ledger, "waves and dunes", ["sheets/a-1.png"])
    return store


@pytest.fixture
def out(tmp_path):
    """An output of two pictures with its gallery and a sheet."""
    out = tmp_path / "study/out"
    fake_output.output(out, contents=("photos/dune.png",), sheets=["sheets/a-1.png"])
    (out / "sheets").mkdir()
    (out / "sheets/a-1.png").write_bytes(fake_output.drawn(5))
    build(out)
    return out


def published(folder, parts=("renders", "sheets", "gallery")):
    """Bytes of what is to be seen below a folder, by name."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }
    return {name: data for name, data in found.items() if name.split("/")[0] in parts and name != STATE}


def objects(s3, prefix="site/"):
    """Bytes and headers of the objects in the bucket, by name."""
    client, found = s3.client(), {}
    for item in client.list_objects_v2(Bucket=s3.bucket, Prefix=prefix).get("Contents", []):
        answer = client.get_object(Bucket=s3.bucket, Key=item["Key"])
        found[item["Key"].removeprefix(prefix)] = (answer["Body"].read(), answer)
    return found


def listed(s3, prefix="site/"):
    """When each object in the bucket was written and its tag, by name."""
    found = s3.client().list_objects_v2(Bucket=s3.bucket, Prefix=prefix).get("Contents", [])
    return {item["Key"].removeprefix(prefix): (item["LastModified"], item["ETag"]) for item in found}


def test_a_bucket_gets_everything_with_headers_for_a_cdn(out, s3):
    target = open_store(f"s3://{s3.bucket}/site")
    done = gallery.publish(open_store(out), target)
    there = objects(s3)
    assert {name: data for name, (data, _) in there.items() if name != STATE} == published(out)
    assert set(done.written) == set(published(out))
    for name, (data, headers) in there.items():
        assert headers["ContentType"] == KINDS[Path(name).suffix]
        lasting = re.match(r"renders/|gallery/(assets|data|thumbs|inputs)/", name)
        assert headers["CacheControl"] == ("public, max-age=31536000, immutable" if lasting else "no-cache"), name
        digest = hashlib.sha256(data).hexdigest()
        if name.startswith(("gallery/assets/", "gallery/data/")):
            assert digest[:12] == name.split(".")[-2]


def test_the_second_time_only_what_changed_is_uploaded(out, s3):
    target = open_store(f"s3://{s3.bucket}/site")
    source = open_store(out)
    gallery.publish(source, target)
    before = listed(s3)
    again = gallery.publish(source, target)
    assert (again.written, again.unchanged) == ((), len(before) - 1)
    assert listed(s3) == before
    (out / "sheets/a-1.png").write_bytes(fake_output.drawn(6))
    s3.client().put_object(Bucket=s3.bucket, Key="site/gallery/run.html", Body=b"altered by somebody")
    s3.client().delete_object(Bucket=s3.bucket, Key=f"site/{next(n for n in before if n.startswith('renders/'))}")
    third = gallery.publish(source, target)
    lost = next(n for n in before if n.startswith("renders/"))
    assert set(third.written) == {"sheets/a-1.png", "gallery/run.html", lost}
    assert {name: data for name, (data, _) in objects(s3).items() if name != STATE} == published(out)


def test_without_its_own_record_it_compares_and_uploads_nothing(out, s3):
    target = open_store(f"s3://{s3.bucket}/site")
    gallery.publish(open_store(out), target)
    target.delete(STATE)
    assert gallery.publish(open_store(out), target).written == ()


def test_what_is_no_longer_shown_is_listed_and_removed_only_if_asked(out, tmp_path, capsys):
    site = tmp_path / "site"
    assert cli.run(["gallery", str(out), "--to", str(site)]) == 0
    lost = sorted((out / "renders").iterdir())[0]
    for receipt in (out / "receipts").rglob("*.json"):
        if json.loads(receipt.read_text())["picture"]["path"].endswith(lost.name):
            receipt.unlink()
    lost.unlink()
    capsys.readouterr()
    assert cli.run(["gallery", str(out), "--to", str(site)]) == 0
    said = capsys.readouterr().err
    assert f"renders/{lost.name}" in said
    assert "--prune" in said
    assert (site / f"renders/{lost.name}").is_file()
    assert cli.run(["gallery", str(out), "--to", str(site), "--prune"]) == 0
    assert published(site) == published(out)


def test_the_first_page_comes_last(out, tmp_path):
    gallery.publish(open_store(out), open_store(tmp_path / "site"))
    times = {
        p.relative_to(tmp_path / "site").as_posix(): p.stat().st_mtime_ns for p in (tmp_path / "site").rglob("*.*")
    }
    times.pop(STATE)
    assert max(times, key=times.get) == gallery.PAGE


def test_onto_an_output_is_refused_and_changes_nothing_there(out, tmp_path, capsys):
    other = tmp_path / "other/out"
    fake_output.output(other, contents=("photos/wave.png",))
    before = published(other, ("renders", "receipts", "gallery"))
    for place in (out / "../out", other):
        assert cli.run(["gallery", str(out), "--to", str(place), "--prune"]) == 2
        assert "another place" in capsys.readouterr().err
    assert published(other, ("renders", "receipts", "gallery")) == before


@pytest.fixture
def pair(tmp_path):
    """Two outputs that share one picture; each has three more."""
    for n, weights in enumerate([(10, 1000), (10, 3000)]):
        out = tmp_path / f"day{n}/out"
        fake_output.output(out, weights=weights, seed=0 if n == 0 else 40)
    return [str(tmp_path / f"day{n}/out") for n in range(2)]


def take(site, name):
    (file,) = (Path(site) / "gallery/data").glob(f"{name}.*.js")
    return json.loads(re.fullmatch(r'stylepress\.take\("[\w-]+",(.*)\);\n', file.read_text(), re.DOTALL)[1])


def test_several_outputs_make_one_gallery(pair, tmp_path, capsys):
    site = tmp_path / "site"
    assert cli.run(["gallery", *pair, "--to", str(site)]) == 0
    assert capsys.readouterr().out.strip() == f"{site}/gallery/index.html"
    index, pictures = take(site, "index"), take(site, "pictures-0")
    facet = index["facets"][0]
    assert (facet["name"], facet["kind"], facet["values"]) == ("output", "output", ["day0/out", "day1/out"])
    assert take(site, "columns")["facets"]["output"].count(1) == 2
    assert len(pictures) == len({record["key"] for record in pictures}) == 6, "2 × 2 and 2 × 2 that share 2"
    for record in pictures:
        data = (site / "gallery" / unquote(record["path"])).read_bytes()
        assert record["thumb"].endswith(hashlib.sha256(data).hexdigest())
    assert "2 pictures lie in both; each is shown once, as day0/out has it" in (site / "gallery/run.html").read_text()
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*") if path.is_file()}
    assert cli.run(["gallery", *pair, "--to", str(site)]) == 0
    assert {path: path.stat().st_mtime_ns for path in site.rglob("*") if path.is_file()} == before


def test_a_combined_gallery_lets_go_of_an_output(pair, tmp_path):
    site, third = tmp_path / "site", tmp_path / "third/out"
    fake_output.output(third, contents=("photos/else.png",), seed=80)
    assert cli.run(["gallery", *pair, str(third), "--to", str(site)]) == 0
    assert cli.run(["gallery", *pair, "--to", str(site), "--prune"]) == 0
    assert not [path for path in site.rglob("*") if path.is_file() and "third" in path.parts[-3]]
    assert cli.run(["gallery", *pair, "--to", str(tmp_path / "fresh")]) == 0
    kept, fresh = (
        {p.relative_to(s) for s in [f] for p in f.rglob("*") if p.is_file()} for f in (site, tmp_path / "fresh")
    )
    assert kept == fresh


def test_several_outputs_need_a_place(pair, capsys):
    assert cli.run(["gallery", *pair]) == 2
    assert "--to" in capsys.readouterr().err
    assert cli.run(["gallery", *pair, "--to", pair[1]]) == 2


@pytest.mark.parametrize(
    ("urls", "called"),
    [
        (["out/monday", "out/tuesday"], ["monday", "tuesday"]),
        (["/home/me/a/out", "/home/me/b/out/"], ["a/out", "b/out"]),
        (["s3://bucket/x", "x"], ["bucket/x", "x"]),
    ],
)
def test_outputs_are_called_by_as_little_of_their_address_as_tells_them_apart(urls, called):
    assert labels(urls) == called


def test_an_output_in_a_bucket_is_a_site_with_the_same_headers(out, s3, capsys):
    for path in out.rglob("*"):
        if path.is_file() and "gallery" not in path.parts:
            s3.client().put_object(Bucket=s3.bucket, Key=f"out/{path.relative_to(out)}", Body=path.read_bytes())
    assert cli.run(["gallery", f"s3://{s3.bucket}/out"]) == 0
    assert capsys.readouterr().out.strip() == f"s3://{s3.bucket}/out/gallery/index.html"
    made = {name: found for name, found in objects(s3, "out/").items() if name.startswith("gallery/")}
    assert len([name for name in made if name.endswith(".webp")]) == 2
    for name, (_, headers) in made.items():
        assert headers["ContentType"] == KINDS[Path(name).suffix]
        assert headers["CacheControl"] == (
            "no-cache" if name.endswith(".html") else "public, max-age=31536000, immutable"
        )
    before = listed(s3, "out/")
    assert cli.run(["gallery", f"s3://{s3.bucket}/out"]) == 0
    assert listed(s3, "out/") == before
