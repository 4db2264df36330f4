"""Pictures that a manifest names: found below the root, confined to it, judged by their bytes, called apart."""

import hashlib
import os
import threading
import time

import pytest
from PIL import Image
from studies import ONE, paint, png, read

from flows import inputs, manifest
from flows.patterns import matching
from flows.store import StorageError


@pytest.fixture
def folder(tmp_path):
    return paint(tmp_path / "study")


def found_in(folder, content, *, style="styles/x.png", root="."):
    text = f"version: 1\ninputs:\n  root: {root}\n  style: {style}\n  content: {content}\n"
    loaded = read(folder, text)
    return inputs.find(loaded, inputs.pictures_named(loaded))


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
    problems = inputs.faulty(inputs.find(loaded, inputs.pictures_named(loaded)))
    assert [(p.place.line, p.message.partition("did you mean ")[2]) for p in problems] == [
        (5, "'photos/a.png'?"),
        (11, "'noise'?"),
        (13, "'photos/b.png'?"),
    ]


# blends and masks

SKY = """version: 1
inputs:
  content:
    - {path: photos/a.png, masks: [m/sky.png, m/ground.png], content_mask: m/sky.png}
  style:
    - blend: [styles/x.png, {path: styles/y.png, weight: 3, mask: m/sky.png}]
    - {path: styles/x.png, mask: m/ground.png}
    - {blend: [styles/x.png]}
"""


def stencil(path, colour=255, size=(24, 16), mode="L"):
    path.parent.mkdir(exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def masked(folder):
    stencil(folder / "m/sky.png")
    stencil(folder / "m/ground.png", 1)
    return folder


def found(folder, text):
    loaded = read(folder, text)
    return inputs.find(loaded, inputs.pictures_named(loaded))


def file_digest(folder, name):
    return hashlib.sha256((folder / name).read_bytes()).hexdigest()


def test_every_file_of_a_blend_and_its_masks_is_read(masked):
    result = found(masked, SKY)
    assert result.problems == ()
    (content,) = result.content
    names = ["photos/a.png", "m/sky.png", "m/ground.png", "m/sky.png"]
    assert [file.name for file in content.files] == names
    assert [file.digest for file in content.files] == [file_digest(masked, name) for name in names]
    blend, part, whole = result.style
    assert [file.name for file in blend.files] == ["styles/x.png", "styles/y.png", "m/sky.png"]
    assert [file.digest for file in blend.files] == [file_digest(masked, file.name) for file in blend.files]
    assert (blend.shares, blend.width, blend.height) == ((0.25, 0.75), 24, 16)
    assert (part.name, [p.mask.name for p in part.parts]) == ("styles/x.png", ["m/ground.png"])
    assert (whole.name, whole.parts, whole.digest) == ("styles/x.png", (), file_digest(masked, "styles/x.png"))
    assert not any(file.fault for picture in (content, *result.style) for file in picture.files)
    assert len({picture.digest for picture in result.style}) == 3


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("{blend: [styles/x.png, 'sample:waves']}", ["x + waves"]),
        ("{blend: [{path: styles/x.png, label: Sea}, styles/y.png]}", ["Sea + y"]),
        ("{blend: [styles/x.png, styles/y.png], label: Mix}", ["Mix"]),
        ("[{blend: [styles/x.png, styles/y.png]}, {blend: [{path: styles/x.png, weight: 3}, styles/y.png]}]",
         ["x + y", "3·x + 1·y"]),
        ("[{blend: [styles/x.png, styles/y.png]}, {blend: [{path: styles/x.png, mask: m/sky.png}, styles/y.png]}]",
         ["x + y", "x + y (sky)"]),
        ("[styles/x.png, {path: styles/x.png, mask: m/sky.png}, {path: styles/x.png, mask: m/ground.png}]",
         ["x", "x (sky)", "x (ground)"]),
        ("[{blend: [styles/x.png, styles/y.png]}, {blend: [styles/x.png, styles/y.png]}]", ["x + y"]),
        ("[styles/x.png, {blend: [styles/x.png]}]", ["x"]),
        ("{blend: [{path: styles/x.png, label: Sea}]}", ["Sea"]),
    ],
)  # fmt: skip
def test_what_blends_are_called(masked, style, expected):
    text = f"version: 1\ninputs:\n  content: photos/a.png\n  style: {style}\n"
    assert [picture.label for picture in found(masked, text).style] == expected


def test_one_picture_with_masks_and_without_is_two(masked):
    text = (
        "version: 1\ninputs:\n  style: styles/x.png\n  content: [photos/a.png, {path: photos/a.png, masks: m/sky.png},"
        " photos/b.png, {path: photos/b.png, content_mask: m/sky.png, label: B}]\n"
    )
    result = found(masked, text).content
    assert [picture.label for picture in result] == ["a", "a (sky)", "b", "B"]
    assert [len(inputs.lookup(result, said)) for said in ("photos/a.png", "a", "a (sky)", "B")] == [2, 1, 1, 1]


def digest_of(folder, style):
    (one,) = found(folder, f"version: 1\ninputs:\n  content: photos/a.png\n  style: {style}\n").style
    return one.digest


def test_a_blend_counts_by_bytes_ratios_and_order(masked):
    (masked / "copy.png").write_bytes((masked / "styles/x.png").read_bytes())
    (masked / "m/copy.png").write_bytes((masked / "m/sky.png").read_bytes())
    one = digest_of(masked, "{blend: [{path: styles/x.png, weight: 0.7}, {path: styles/y.png, weight: 0.3}]}")
    same = "{blend: [{path: copy.png, weight: 7, label: L}, {path: styles/y.png, weight: 3}], label: Mix}"
    assert digest_of(masked, same) == one
    others = [
        "{blend: [styles/x.png, styles/y.png]}",
        "{blend: [styles/y.png, styles/x.png]}",
        "{blend: [{path: styles/x.png, mask: m/sky.png}, styles/y.png]}",
        "{blend: [styles/x.png, {path: styles/y.png, mask: m/sky.png}]}",
        "{blend: [{path: styles/x.png, mask: m/ground.png}, styles/y.png]}",
        "{path: styles/x.png, mask: m/sky.png}",
        "styles/x.png",
    ]
    assert len({one, *(digest_of(masked, other) for other in others)}) == 8
    sky = digest_of(masked, "{path: styles/x.png, mask: m/sky.png}")
    assert digest_of(masked, "{path: styles/x.png, mask: m/copy.png}") == sky


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{path: 'photos/*.png', masks: [m/sky.png]}", "'photos/*.png' is a pattern; a picture with masks"),
        ("{path: 'photos/*.png', content_mask: m/sky.png}", "a picture with masks must be one picture"),
        ("{path: photos/a.png, masks: ['m/s*.png']}", "a mask must be one picture"),
        ("{path: photos/a.png, content_mask: 'm/*.png'}", "a mask must be one picture"),
        ("{path: photos/a.png, masks: [../sky.png]}", "'../sky.png' cannot be used"),
        ("{path: photos/a.png, masks: ['sample:ct']}", "did you mean 'cat'?"),
    ],
)
def test_what_masks_must_not_be(masked, entry, said):
    (problem,) = found_in(masked, entry).problems
    assert said in problem.message
    assert problem.place.line == 5


@pytest.mark.parametrize(
    ("style", "line", "said"),
    [
        ("- blend:\n      - styles/x.png\n      - styles/*.png", 7, "a part of a blend must be one picture"),
        ("- blend:\n      - styles/x.png\n      - {path: styles/y.png,\n         mask: m/*.png}", 8, "a mask must be"),
        ("- path: styles/*.png\n      mask: m/sky.png", 5, "a picture with a mask must be one picture"),
        ("- path: styles/x.png\n      mask: /etc/hostname", 6, "/etc/hostname"),
        ("- blend: ['none/*.png']", 5, "matches 'none/*.png'"),
    ],
)
def test_what_parts_must_not_be(masked, style, line, said):
    result = found(masked, f"version: 1\ninputs:\n  content: photos/a.png\n  style:\n    {style}\n    - styles/x.png\n")
    (problem,) = result.problems
    assert said in problem.message
    assert problem.place.line == line
    assert [picture.name for picture in result.style] == ["styles/x.png"]


def test_a_mask_may_be_called_like_a_pattern(masked):
    stencil(masked / "m/sky [1].png")
    result = found_in(masked, "{path: photos/a.png, masks: ['./m/sky [1].png']}")
    assert result.problems == ()
    assert [mask.name for mask in result.content[0].masks] == ["m/sky [1].png"]


def test_masks_that_fit_nothing_are_faults_at_their_line(masked):
    stencil(masked / "m/black.png", 0)
    stencil(masked / "m/square.png", 255, (64, 64))
    (masked / "m/text.png").write_text("hello")
    text = (
        "version: 1\ninputs:\n  content:\n    - path: photos/a.png\n      masks:\n        - m/black.png\n"
        "        - m/square.png\n        - m/sky.pgn\n        - m/text.png\n        - m/sky.png\n"
        "      content_mask: m/black.png\n  style:\n    - {path: styles/x.png, mask: m/square.png}\n"
    )
    result = found(masked, text)
    problems = inputs.faulty(result)
    said = [(problem.place.line, problem.message) for problem in problems]
    assert [line for line, _ in said] == [6, 7, 8, 9, 13]
    assert "m/black.png is all black" in said[0][1]
    for message, picture in ((said[1][1], "photos/a.png"), (said[4][1], "styles/x.png")):
        assert "wrong shape" in message
        assert "m/square.png has 64×64 pixels" in message
        assert f"{picture} has 24×16" in message
    assert "did you mean 'm/sky.png'?" in said[2][1]
    assert said[3][1].startswith("m/text.png")
    kinds = [mask.kind for mask in result.content[0].masks]
    assert kinds == ["unusable-mask", "unusable-mask", "missing-picture", "unreadable-picture", ""]


@pytest.mark.parametrize(
    ("size", "fits"),
    [((600, 400), True), ((300, 200), True), ((90, 59), True), ((600, 410), False), ((400, 600), False)],
)
def test_a_mask_may_be_smaller_and_a_pixel_off(masked, size, fits):
    stencil(masked / "photos/large.png", 9, (1200, 800))
    stencil(masked / "m/mask.png", 255, size)
    (content,) = found_in(masked, "{path: photos/large.png, content_mask: m/mask.png}").content
    assert (content.content_mask.fault == "") == fits


@pytest.mark.parametrize(
    ("mode", "colour", "black"),
    [("L", 0, True), ("L", 1, False), ("RGB", (0, 0, 200), False), ("RGBA", (255, 255, 255, 0), True), ("1", 1, False)],
)
def test_black_is_what_shows_nothing(masked, mode, colour, black):
    stencil(masked / "m/mask.png", colour, mode=mode)
    (content,) = found_in(masked, "{path: photos/a.png, content_mask: m/mask.png}").content
    assert ("all black" in content.content_mask.fault) == black


def test_one_file_may_be_a_picture_and_a_mask(masked):
    (masked / "photos/a.png").write_bytes(png("black"))
    (content,) = found_in(masked, "{path: photos/a.png, content_mask: photos/a.png}").content
    assert content.fault == ""
    assert "all black" in content.content_mask.fault


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


def test_a_bucket_gives_the_blends_and_masks_that_a_folder_gives(masked, s3):
    for name in ("photos/a.png", "styles/x.png", "styles/y.png", "m/sky.png", "m/ground.png"):
        s3.client().put_object(Bucket=s3.bucket, Key=f"p/{name}", Body=(masked / name).read_bytes())
    there = found(masked, SKY.replace("inputs:\n", f"inputs:\n  root: s3://{s3.bucket}/p\n"))
    here = found(masked, SKY)
    assert (there.content, there.style) == (here.content, here.style)


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
