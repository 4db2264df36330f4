"""Pictures that a manifest names: found below the root, confined to it, judged by their bytes, called apart."""

import hashlib
import os
import threading
import time

import pytest
from PIL import Image
from studies import ONE, paint, png, read

from flows import cells, inputs, manifest
from flows.inputs import matching
from flows.store import StorageError


@pytest.fixture
def folder(tmp_path):
    return paint(tmp_path / "study")


def found_in(folder, content, *, style="styles/x.png", root="."):
    text = f"version: 1\ninputs:\n  root: {root}\n  style: {style}\n  content: {content}\n"
    loaded = read(folder, text)
    return inputs.find(loaded, cells.pictures_named(loaded))


def names(found):
    return [picture.name for picture in found.content]


def labels(found):
    return [picture.label for picture in found.content]


def test_digests_sizes_and_labels(folder):
    found = found_in(folder, "[photos/a.png, {path: photos/b.png, label: Harbour}, 'sample:cat']")
    a = found.content[0]
    assert (a.digest, a.width, a.height, a.fault) == (hashlib.sha256(png("red")).hexdigest(), 24, 16, "")
    assert labels(found) == ["a", "Harbour", "cat"]
    assert found.content[2].width > 100
    assert found.problems == ()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("photos/*.png", ["photos/a.png", "photos/b.png"]),
        ("'*.png'", ["top.png"]),
        ("'**/[abc].png'", ["photos/a.png", "photos/b.png", "photos/deep/er/c.png"]),
        ("'**/t*.png'", ["top.png"]),
        ("photos/**/*.png", ["photos/a.png", "photos/b.png", "photos/deep/er/c.png"]),
        ("photos/?.png", ["photos/a.png", "photos/b.png"]),
        ("'photos/[!a].png'", ["photos/b.png"]),
        ("'photos/[b-z].png'", ["photos/b.png"]),
        ("./photos/*.png", ["photos/a.png", "photos/b.png"]),
        ("photos//a.png", ["photos/a.png"]),
        ("'photos/[ab].p?g'", ["photos/a.png", "photos/b.png"]),
        ("[photos/b.png, photos/*.png]", ["photos/b.png", "photos/a.png"]),
        ("[photos/a.png, photos/a.png]", ["photos/a.png"]),
    ],
)  # fmt: skip
def test_patterns(folder, pattern, expected):
    paint(folder, {"photos/deep/er/c.png": "black", "top.png": "white", "photos/.hidden.png": "red"})
    assert names(found_in(folder, pattern)) == expected


def test_matching_survives_any_pattern():
    listed = ["a.png", "[z-a].png", "x[", "a]b", "ä.png"]
    assert matching("[z-a].png", listed) == []
    assert matching("x[", listed) == ["x["]
    assert matching("a[]]b", listed) == ["a]b"]
    assert matching("[ä].png", listed) == ["ä.png"]


def test_a_picture_may_be_called_like_a_pattern(folder):
    paint(folder, {"photos/harbour [1].png": "black"})
    assert names(found_in(folder, "'photos/harbour [1].png'")) == ["photos/harbour [1].png"]


def test_a_label_for_many_pictures_tells_them_apart(folder):
    assert labels(found_in(folder, "{path: photos/*.png, label: Trip}")) == ["Trip a", "Trip b"]


def test_a_picture_named_again_with_a_label_keeps_its_place(folder):
    found = found_in(folder, "[photos/*.png, {path: photos/a.png, label: A}, {path: photos/a.png, label: later}]")
    assert list(zip(names(found), labels(found), strict=True)) == [("photos/a.png", "A"), ("photos/b.png", "b")]


def test_pictures_of_one_name_are_called_by_their_folder_or_ending(folder):
    paint(folder, {"photos/x/p.png": "black", "photos/y/p.png": "white", "photos/q.png": "red"})
    (folder / "photos/q.jpg").write_bytes(png("blue", kind="JPEG"))
    found = found_in(folder, "[photos/x/p.png, photos/y/p.png, photos/q.png, photos/q.jpg, photos/a.png]")
    assert labels(found) == ["photos/x/p", "photos/y/p", "photos/q.png", "photos/q.jpg", "a"]


@pytest.mark.parametrize("path", ["../outside.png", "photos/../../outside.png", "/etc/hostname", "photos\\\\a.png"])
def test_nothing_outside_the_root_is_named(folder, path):
    paint(folder.parent, {"outside.png": "black"})
    found = found_in(folder, f'["{path}", photos/a.png]')
    assert names(found) == ["photos/a.png"]
    (problem,) = found.problems
    assert path.replace("\\\\", "\\") in problem.message.replace("\\\\", "\\")
    assert problem.place.line == 5


@pytest.mark.parametrize(
    ("content", "said"),
    [("nothing/*.png", "matches 'nothing/*.png'"), ("'sample:cta'", "did you mean 'cat'?")],
)
def test_an_entry_that_means_nothing(folder, content, said):
    (problem,) = found_in(folder, f"[photos/a.png, {content}]").problems
    assert said in problem.message
    assert (problem.place.line, problem.place.column) == (5, 27)


def test_links_that_lead_out_are_a_fault_and_links_inside_are_pictures(folder):
    paint(folder.parent, {"outside.png": "black"})
    (folder / "photos/out.png").symlink_to(folder.parent / "outside.png")
    (folder / "photos/in.png").symlink_to("a.png")
    found = found_in(folder, "photos/*.png")
    faults = {picture.name: picture.kind for picture in found.content}
    assert faults == {"photos/a.png": "", "photos/b.png": "", "photos/in.png": "", "photos/out.png": "unsafe-name"}
    assert "leads out" in next(picture.fault for picture in found.content if picture.fault)


def test_what_is_a_picture_is_decided_by_its_bytes(folder):
    (folder / "photos/really-png.jpg").write_bytes(png("red"))
    (folder / "photos/really-jpeg").write_bytes(png("red", kind="JPEG"))
    assert [p.fault for p in found_in(folder, "[photos/really-png.jpg, photos/really-jpeg]").content] == ["", ""]


def test_a_pipe_is_never_opened(folder):
    os.mkfifo(folder / "photos/x.jpg")
    result = []
    thread = threading.Thread(target=lambda: result.append(found_in(folder, "photos/x.jpg")), daemon=True)
    thread.start()
    thread.join(10)
    assert result, "reading a pipe blocks"
    assert result[0].content[0].kind == "unreadable-picture"
    assert "pipe" in result[0].content[0].fault


def test_every_bad_picture_has_a_fault_of_its_own(folder):
    (folder / "photos/text.jpg").write_text("hello")
    (folder / "photos/empty.jpg").write_bytes(b"")
    (folder / "photos/cut.png").write_bytes(png("red")[:20])
    (folder / "photos/dir.jpg").mkdir()
    found = found_in(folder, "[photos/text.jpg, photos/empty.jpg, photos/cut.png, photos/dir.jpg, photos/none.jpg]")
    assert [picture.kind for picture in found.content] == ["unreadable-picture"] * 3 + ["missing-picture"] * 2
    for picture in found.content:
        assert picture.name in picture.fault
        assert "the picture" not in picture.fault


def test_faults_stand_at_their_line_with_the_nearest_name(folder):
    text = (
        "version: 1\ninputs:\n  content:\n    - photos/a.png\n    - photos/aa.png\n  style: [styles/x.png]\n"
        "jobs:\n  - grid:\n      init:\n        - noise\n        - nosie\n"
        "    add:\n      - content: photos/b.pgn\n        style: x\n"
    )
    loaded = read(folder, text)
    problems = inputs.faulty(inputs.find(loaded, cells.pictures_named(loaded)))
    assert [(p.place.line, p.message.partition("did you mean ")[2]) for p in problems] == [
        (5, "'photos/a.png'?"),
        (11, "'noise'?"),
        (13, "'photos/b.png'?"),
    ]


def test_a_root_that_is_not_there_is_a_fault_of_each_picture(folder):
    found = found_in(folder, "[photos/a.png]", root="nowhere")
    assert found.content[0].kind == "missing-picture"


def test_the_root_is_relative_to_the_manifest(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = found_in(folder, "[a.png]", root="photos", style="b.png")
    assert names(found) == ["a.png"]
    assert not found.content[0].fault
    absolute = found_in(folder, "[a.png]", root=str(folder / "photos"), style="b.png")
    assert absolute.content == found.content
    address = found_in(folder, "[a.png]", root=f"file://{folder}/photos", style="b.png")
    assert address.content == found.content


@pytest.mark.parametrize(
    ("manifest", "path", "expected"),
    [
        ("/x/study/m.yaml", ".", "/x/study"),
        ("/x/study/m.yaml", "../out", "/x/out"),
        ("/x/study/m.yaml", "/y", "/y"),
        ("/x/study/m.yaml", "s3://b/p", "s3://b/p"),
        ("m.yaml", "out", "out"),
        ("s3://b/p/m.yaml", ".", "s3://b/p"),
        ("s3://b/p/m.yaml", "../q", "s3://b/q"),
        ("s3://b/m.yaml", "q", "s3://b/q"),
    ],
)
def test_addresses_beside_a_manifest(manifest, path, expected):
    assert inputs.beside(manifest, path) == expected


def test_looking_up_by_path_then_by_label(folder):
    found = found_in(folder, "[{path: photos/a.png, label: B}, {path: photos/b.png, label: photos/a.png}]").content
    assert [i.name for i in inputs.lookup(found, "./photos/a.png")] == ["photos/a.png"]
    assert [i.name for i in inputs.lookup(found, "B")] == ["photos/a.png"]
    assert inputs.lookup(found, "C") == []


def test_a_bucket_gives_what_a_folder_gives(folder, s3):
    client = s3.client()
    for name in ("photos/a.png", "photos/b.png", "styles/x.png"):
        client.put_object(Bucket=s3.bucket, Key=f"pre fix/{name}", Body=(folder / name).read_bytes())
    here = found_in(folder, "[photos/*.png]")
    there = found_in(folder, "[photos/*.png]", root=f"'s3://{s3.bucket}/pre fix'")
    assert (there.content, there.style) == (here.content, here.style)
    missing = found_in(folder, "[photos/none.png]", root=f"'s3://{s3.bucket}/pre fix'")
    assert missing.content[0].kind == "missing-picture"
    with pytest.raises(StorageError):
        found_in(folder, "[photos/none.png]", root="s3://no-such-bucket-here")


def test_many_pictures_are_read_quickly(folder):
    for number in range(300):
        (folder / f"photos/{number:03}.png").write_bytes(png((number % 256, 0, 0)))
    began = time.monotonic()
    assert len(found_in(folder, "photos/*.png").content) == 302
    assert time.monotonic() - began < 5


def test_one_missing_picture_says_so_once(folder):
    loaded = read(folder, ONE.replace("a.png", "z.png"))
    (problem,) = inputs.faulty(inputs.find(loaded, {}))
    assert problem.place.line == 2


@pytest.mark.parametrize("to", ["out", "deep/out", "."])
def test_patterns_pass_by_what_was_rendered_below_the_root(tmp_path, to):
    study = tmp_path / "study"
    output = study / to
    for name in (study / "a.png", study / "photos/b.png", output / "renders/c.png", output / "gallery/inputs/d.png"):
        name.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(name)
    text = f"version: 1\ninputs: {{content: '**/*.png', style: 'sample:waves'}}\noutput: {{to: '{to}'}}\n"
    loaded = manifest.load(text, str(study / "m.yaml"))
    found = inputs.find(loaded, {}, inputs.output_of(loaded))
    assert [picture.name for picture in found.content] == ["a.png", "photos/b.png"]
