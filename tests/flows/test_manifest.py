"""The manifest: what is accepted, and for every mistake its line, the offending word and the nearest right one."""

import re

import jsonschema
import pytest
import yaml
from studies import HEAD

from flows.batch import read_manifest
from flows.manifest import load
from flows.schema import json_schema
from flows.source import ManifestError
from stylecore.errors import StylepressError

SCHEMA = jsonschema.Draft202012Validator(json_schema())


def said_about(text, sets=None):
    with pytest.raises(ManifestError) as caught:
        load(text, "m.yaml", sets)
    return str(caught.value).splitlines()


# fmt: off
VALID = {
    "least": "",
    "everything": """
name: coastal-study
defaults: {method: gatys, size: 512, steps: 300}
jobs:
  - name: weights
    pair: product
    grid:
      style_weight: {logspace: [1.0e2, 1.0e5, 4]}
      seed: [0, 1, 2]
    zip:
      size: [256, 512]
      tv_weight: [0.0, 1.0e-3]
    exclude: [{size: 512, seed: 2}]
    override: [{when: {size: 512}, set: {steps: 500}}]
    add: [{content: photos/harbour.jpg, style: styles/x.png, style_weight: 5.0e5}]
    sample: {count: 50, seed: 1}
sheets:
  - {rows: seed, cols: style_weight, page_by: [content, style]}
output: {to: out/coastal-study, format: png, embed: full}
run: {retries: 2, max_failures: 5%, chunk: 10m, devices: auto}
""",
    "numbers without a dot": "defaults: {style_weight: 1.0e5, tv_weight: 1.0e-3, learning_rate: auto, preset: none}",
    "labels": "jobs: [{grid: {tv_weight: [{value: 0, label: none}, {value: 1.0e-3, label: 7}]}}]",
    "words that YAML takes for booleans": "name: on\njobs: [{name: no}]\nsheets: [{name: off, title: yes, rows: seed}]",
    "layers": "defaults: {content_layers: relu4_2, style_layers: {relu1_1: 1, conv2_1: 0.5}}",
    "layers of another encoder": "defaults: {encoder: vgg19-torchvision, content_layers: [relu5_4]}",
    "an encoder in full": "defaults: {encoder: {arch: vgg16, weights: 'file:/w.safetensors', input: caffe}}",
    "devices": "run: {devices: [cuda:0, cuda:1], chunk: 90, max_failures: 3}",
    "one picture for one kind": "jobs: [{pair: zip}]",
    "several jobs": "jobs: [{}, {name: 2}, {grid: {optimizer: [adam, lbfgs]}}]",
    "a sheet with lists": "sheets: [{rows: [content, style_weight], cols: style, cell: 128}, {}]",
    "matching by picture": "jobs: [{exclude: [{content: photos/a.png, style: x}]}]",
    "names that are numbers": "name: 2024",
    "sizes, steps and scales in every form":
        "defaults: {size: 640x480, steps: [10, 20], scales: {from: 64, factor: 1.414}, init: {content: 9, noise: 1}}\n"
        "jobs: [{grid: {size: [64, 50%, 64x48], steps: [[10, 20], 30], init: [grey, {style: 1}, a.png],"
        " scales: [auto, 2, [64], {factor: 2}], snapshots: [none, [1], {every: 5}, {value: {every: 9}, label: nine}]},"
        " exclude: [{init: {style: 1}}, {steps: [10, 20], snapshots: {every: 5}}]}]",
    "methods without content or style":
        "jobs: [{grid: {method: [gatys, content-reconstruction, style-reconstruction]}}]",
}
TEXTS = {
    "nothing but pictures as texts":
        "version: 1\ninputs: {root: s3://b/p, content: a.png, style: [{path: b, label: no}]}",
    "blends": "version: 1\ninputs: {content: a, style: [s.png, {blend: [{path: b, weight: 0.7}, {path: 'sample:waves',"
        " weight: 3e-1, mask: m.png, label: W}], label: 5}, {blend: [b, c]}, {path: d.png, mask: m.png}]}",
    "one blend alone": "version: 1\ninputs: {content: a, style: {blend: [b]}}",
    "masks": "version: 1\ninputs: {style: b, content: [{path: a, masks: [m.png, n.png], content_mask: m.png},"
        " {path: a, masks: m.png}, {path: a, masks: []}]}",
}
VALID |= dict.fromkeys(TEXTS, "")
# fmt: on


@pytest.mark.parametrize("name", VALID)
def test_valid_for_loader_and_schema_alike(name):
    text = TEXTS.get(name) or HEAD + VALID[name]
    loaded = load(text, "m.yaml")
    assert loaded.problems == ()
    assert [error.message for error in SCHEMA.iter_errors(loaded.document.data)] == []


def test_defaults_are_those_of_the_contract():
    manifest = load(HEAD, "m.yaml").manifest
    assert (manifest.inputs.root, manifest.output.to, manifest.output.format) == (".", "", "png")
    assert (manifest.output.embed, manifest.run.devices, manifest.run.chunk) == ("full", "auto", 600)
    assert manifest.run.max_cells == 10_000
    assert [job.pair for job in manifest.jobs] == ["product"]


def test_words_numbers_and_times_arrive_as_meant():
    manifest = load(
        HEAD + "name: no\njobs: [{name: 007, sample: {count: 1e2, seed: 010}}]\n"
        "run: {max_cells: 1e6, chunk: 1.5h, max_failures: 2.5%}\n"
        "sheets: [{rows: seed, title: 2020-01-01}]",
        "m.yaml",
    ).manifest
    assert (manifest.name, manifest.jobs[0].name, manifest.sheets[0].title) == ("no", "007", "2020-01-01")
    assert (manifest.jobs[0].sample.count, manifest.jobs[0].sample.seed) == (100, 10)
    assert (manifest.run.max_cells, manifest.run.chunk) == (1_000_000, 5400)
    assert manifest.run.failures_allowed(200) == 5
    assert manifest.sheets[0].rows == ["seed"]


# Every mistake with its line, counted from the manifest's first; HEAD has two.
# fmt: off
INVALID = [
    # unknown keys at every level
    ("defalts: {size: 64}", 3, "'defalts'", "'defaults'"),
    ("jobs:\n  - grd: {seed: [1]}", 4, "'grd'", "'grid'"),
    ("sheets:\n  - rows: seed\n    col: style", 5, "'col'", "'cols'"),
    ("output:\n  fromat: png", 4, "'fromat'", "'format'"),
    ("run:\n  retry: 3", 4, "'retry'", "'retries'"),
    ("jobs:\n  - sample: {coutn: 3}", 4, "'coutn'", "'count'"),
    ("jobs:\n  - override:\n      - when: {seed: 0}\n        sett: {steps: 3}", 6, "'sett'", "'set'"),
    ("5: x", 3, "'5'", None),
    # unknown settings wherever a setting may stand
    ("defaults:\n  sise: 3", 4, "'sise'", "'size'"),
    ("jobs:\n  - grid:\n      seeed: [1]", 5, "'seeed'", "'seed'"),
    ("jobs:\n  - zip:\n      stlye_weight: [1]", 5, "'stlye_weight'", "'style_weight'"),
    ("jobs:\n  - exclude:\n      - {sede: 1}", 5, "'sede'", "'seed'"),
    ("jobs:\n  - exclude:\n      - {contnt: x}", 5, "'contnt'", "'content'"),
    ("jobs:\n  - override:\n      - {when: {stepps: 1}, set: {seed: 0}}", 5, "'stepps'", "'steps'"),
    ("jobs:\n  - override:\n      - when: {seed: 0}\n        set: {colour: content}", 6, "'colour'", "'color'"),
    ("jobs:\n  - add:\n      - {content: a, style: b, tv_wieght: 1}", 5, "'tv_wieght'", "'tv_weight'"),
    ("jobs: [{grid: {content: [a, b]}}]", 3, "content is no setting", None),
    ("jobs: [{override: [{when: {seed: 0}, set: {style: b}}]}]", 3, "style is no setting", None),
    ("sheets: [{rows: sed}]", 3, "'sed'", "'seed'"),
    ("sheets: [{rows: seed, cols: seed}]", 3, "'seed' runs along this sheet already", None),
    # values
    ("defaults:\n  steps: 0", 4, "got 0", None),
    ("defaults:\n  steps: 1.5", 4, "got 1.5", None),
    ("defaults:\n  style_weight: -1", 4, "got -1", None),
    ("defaults:\n  style_weight: .inf", 4, "got inf", None),
    ("defaults:\n  style_weight: true", 4, "got True", None),
    ("defaults:\n  size: 8", 4, "got 8", None),
    ("defaults:\n  optimizer: lbfg", 4, "'lbfg'", "'lbfgs'"),
    ("defaults:\n  preset: gatys", 4, "'gatys'", None),
    ("defaults:\n  preset: neural_style", 4, "'neural_style'", "'neural-style'"),
    ("defaults:\n  encoder: vgg91", 4, "'vgg91'", "'vgg19'"),
    ("defaults:\n  encoder: {arhc: vgg19, weights: w, input: caffe}", 4, "'arhc'", "'arch'"),
    ("defaults:\n  init: [a]", 4, "['a']", None),
    ("defaults:\n  style_statistic: gramm", 4, "'gramm'", "'gram'"),
    ("defaults:\n  method: gats", 4, "'gats'", "'gatys'"),
    ("jobs:\n  - grid:\n      seed:\n        - 0\n        - one", 7, "'one'", None),
    ("jobs:\n  - grid:\n      tv_weight:\n        - 0\n        - {value: x, label: y}", 7, "'x'", None),
    ("jobs:\n  - grid:\n      tv_weight:\n        - 0\n        - {value: 1, lable: y}", 7, "'lable'", "'label'"),
    # layers
    ("defaults:\n  content_layers: relu6_1", 4, "'relu6_1'", "'relu"),
    ("defaults:\n  style_layers:\n    - relu1_1\n    - rleu2_1", 6, "'rleu2_1'", "'relu2_1'"),
    ("defaults:\n  style_layers:\n    relu1_1: 1\n    relu21: 1", 6, "'relu21'", "'relu2_1'"),
    ("defaults: {content_layers: conv5_4}", 3, "'conv5_4'", None),  # the shipped weights end before it
    ("jobs:\n  - grid:\n      style_layers:\n        - relu1_1\n        - [relu9_9]", 7, "'relu9_9'", None),
    # axes
    ("jobs:\n  - grid:\n      seed: []", 5, "empty", None),
    ("jobs:\n  - grid:\n      seed: {range: [3, 3, 1]}", 5, "empty", None),
    ("jobs:\n  - grid:\n      seed: 5", 5, "[5]", None),
    ("jobs:\n  - grid:\n      seed: {ragne: [0, 3, 1]}", 5, "'ragne'", "'range'"),
    ("jobs:\n  - grid:\n      seed: {range: [0, 3]}", 5, "[0, 3]", None),
    ("jobs:\n  - grid:\n      style_weight: {logspace: [0, 3, 2]}", 5, "[0, 3, 2]", None),
    ("jobs:\n  - grid:\n      style_weight: {linspace: [0, 3, 1.5]}", 5, "1.5", None),
    ("jobs:\n  - name: x\n    zip:\n      size: [64, 128]\n      seed: [0]", 5, "size has 2, seed has 1", None),
    ("jobs:\n  - grid: {seed: [1]}\n    zip:\n      seed: [0]", 6, "seed", None),
    # shapes
    ("jobs: {}", 3, "expected a list", None),
    ("jobs: []", 3, "at least one", None),
    ("jobs:", 3, "got nothing", None),
    ("defaults:", 3, "got nothing", None),
    ("defaults: [size]", 3, "expected a mapping", None),
    ("jobs:\n  - grid", 4, "'grid'", None),
    ("jobs:\n  - grid: [seed]", 4, "['seed']", None),
    ("jobs:\n  - exclude: {seed: 1}", 4, "expected a list", None),
    ("jobs:\n  - exclude:\n      - ~", 5, "expected a mapping", None),
    ("jobs:\n  - override:\n      - when: {}\n        set: {steps: 3}", 5, "at least one", None),
    ("jobs:\n  - override:\n      - when: {seed: 1}", 5, "'set' is missing", None),
    ("jobs:\n  - pair: ziip", 4, "'ziip'", "'zip'"),
    ("jobs:\n  - sample: 5", 4, "got 5", None),
    ("jobs:\n  - sample: {count: 0}", 4, "at least 1", None),
    ("jobs:\n  - sample: {seed: 1}", 4, "'count' is missing", None),
    ("jobs:\n  - sample: {count: true}", 4, "True", None),
    ("jobs:\n  - exclude:\n      - {content: [a]}", 5, "['a']", None),
    ("name: [a]", 3, "['a']", None),
    ("name: ''", 3, "not empty", None),
    ("sheets:\n  - cell: 7", 4, "at least 32", None),
    ("sheets:\n  - rows: {a: b}", 4, "{'a': 'b'}", None),
    ("output:\n  format: jpg", 4, "'jpg'", "'jpeg'"),
    ("output:\n  embed: ful", 4, "'ful'", "'full'"),
    ("output: {to: 5}", 3, "got 5", None),
    ("run:\n  retries: -1", 4, "got -1", None),
    ("run:\n  retries: 1.5", 4, "got 1.5", None),
    ("run:\n  chunk: soon", 4, "'soon'", None),
    ("run:\n  max_failures: 120%", 4, "'120%'", None),
    ("run:\n  max_failures: -1", 4, "-1", None),
    ("run:\n  devices: {a: 1}", 4, "auto, cpu, cuda", None),
    ("run:\n  devices: true", 4, "True", None),
    ("run:\n  devices: banana", 4, "'banana'", None),
    ("run:\n  devices: 0", 4, "got 0", None),
    ("run:\n  devices: [cuda:0, gpu]", 4, "'gpu'", None),
    ("run:\n  max_cells: many", 4, "'many'", None),
    # the text itself
    ("name: a\nname: b", 4, "'name'", None),
    ("defaults: {seed: 1, seed: 2}", 3, "'seed'", None),
    ("defaults: !!python/object/apply:os.system ['x']", 3, "os.system", None),
    ("defaults: {size: [64", 4, "not YAML", None),
]
# fmt: on


@pytest.mark.parametrize(("text", "line", "word", "near"), INVALID, ids=[case[0][:40] for case in INVALID])
def test_each_mistake_with_line_word_and_nearest_name(text, line, word, near):
    said = said_about(HEAD + text)
    assert all(re.match(r"m\.yaml, line \d+, column \d+: ", one) for one in said)
    at_line = [one for one in said if one.startswith(f"m.yaml, line {line},")]
    assert any(word in one and (near is None or f"did you mean {near}" in one) for one in at_line), said


def test_no_mistake_is_said_twice():
    for text, *_ in INVALID:
        said = said_about(HEAD + text)
        assert len(said) == len(set(said)) <= 2, said


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("inputs: {content: a, style: b}", 1, "'version' is missing"),
        ("version: 2\ninputs: {}", 1, "got 2"),
        ("version: true\ninputs: {}", 1, "true"),
        ("version: '1'\ninputs: {}", 1, "'1'"),
        ("version: 1", 1, "'inputs' is missing"),
        ("version: 1\ninputs:", 2, "got nothing"),
        ("version: 1\ninputs:\n  rot: .", 3, "did you mean 'root'?"),
        ("version: 1\ninputs:\n  root: ''", 3, "not empty"),
        ("version: 1\ninputs:\n  content:\n    - 5", 4, "{path, label}"),
        ("version: 1\ninputs:\n  content:\n    - {pth: a}", 4, "did you mean 'path'?"),
        ("version: 1\ninputs:\n  content:\n    - {path: a, lable: x}", 4, "did you mean 'label'?"),
        ("version: 1\ninputs:\n  content:\n    - {path: a, label: [x]}", 4, "['x']"),
        ("version: 1\ninputs:\n  content:\n    - {path: a,\n       mask: m}", 5, "did you mean 'masks'?"),
        ("version: 1\ninputs:\n  content:\n    - path: a\n      masks:\n        - m\n        - 5", 7, "a mask's path"),
        ("version: 1\ninputs:\n  content:\n    - {path: a, content_mask: [m]}", 4, "['m']"),
        ("version: 1\ninputs:\n  style:\n    - {path: a, masks: m}", 4, "did you mean 'mask'?"),
        ("version: 1\ninputs:\n  style:\n    - {path: a, weight: 2}", 4, "unknown key 'weight'"),
        ("version: 1\ninputs:\n  style:\n    - {label: x}", 4, "either a path or a blend"),
        ("version: 1\ninputs:\n  style:\n    - {path: a, blend: [b]}", 4, "either a path or a blend"),
        ("version: 1\ninputs:\n  style:\n    - {blend: [b], mask: m}", 4, "beside that part's path"),
        ("version: 1\ninputs:\n  style:\n    - {blend: b}", 4, "expected a list, got 'b'"),
        ("version: 1\ninputs:\n  style:\n    - {blend: []}", 4, "at least one entry"),
        ("version: 1\ninputs:\n  style:\n    - blend:\n      - b\n      - {path: c, wieght: 1}", 6, "mean 'weight'?"),
        ("version: 1\ninputs:\n  style:\n    - blend:\n      - b\n      - {path: c, weight: -1}", 6, "got -1"),
        ("version: 1\ninputs:\n  style:\n    - blend:\n      - b\n      - {path: c, weight: much}", 6, "got 'much'"),
        ("version: 1\ninputs:\n  style:\n    - blend:\n      - {weight: 1}", 5, "'path' is missing"),
        ("version: 1\ninputs:\n  style:\n    - label: x\n      blend:\n      - {path: a, weight: 0}", 5, "sum to zero"),
        ("- version: 1", 1, "a manifest is a mapping"),
        ("version", 1, "a manifest is a mapping"),
        ("", 1, "empty"),
    ],
)  # fmt: skip
def test_mistakes_before_anything_else(text, line, word):
    assert any(one.startswith(f"m.yaml, line {line},") and word in one for one in said_about(text))


def test_all_mistakes_of_a_manifest_are_said_at_once_in_order():
    texts = [text for text, *_ in INVALID if text.startswith(("jobs:\n  -", "sheets:\n  -"))]
    jobs = [text.removeprefix("jobs:\n") for text in texts if text.startswith("jobs:")]
    sheets = [text.removeprefix("sheets:\n") for text in texts if text.startswith("sheets:")]
    said = said_about(
        HEAD
        + "defaults:\n  sise: 3\n  color: grey\nnaem: x\njobs:\n"
        + "\n".join(jobs)
        + "\nsheets:\n"
        + "\n".join(sheets)
    )
    expected = sum(len(said_about(HEAD + text)) for text in texts) + 3
    assert len(said) == expected
    lines = [int(re.search(r"line (\d+)", one)[1]) for one in said]
    assert lines == sorted(lines)


# what only the loader can know: duplicate keys and tags are gone before a schema sees the data, layers depend on the
# encoder, and a schema compares no parts of a manifest with others
BEYOND_A_SCHEMA = (
    *("layers", "name: a\nname", "seed: 2}", "!!python", "size: [64", "zip:"),
    *("cols: seed", "range: [3, 3", ".inf", "linspace", "logspace"),
)


@pytest.mark.parametrize("text", [text for text, *_ in INVALID if not any(part in text for part in BEYOND_A_SCHEMA)])
def test_the_schema_refuses_what_the_loader_refuses(text):
    assert not SCHEMA.is_valid(yaml.safe_load(HEAD + text))


@pytest.mark.parametrize(
    "style",
    [
        *("{label: x}", "{path: a, blend: [b]}", "{blend: []}", "{blend: b}", "{blend: [{path: a, weight: -1}]}"),
        *("{blend: [{path: a, wieght: 1}]}", "{path: a, masks: m}", "{blend: [{weight: 1}]}", "{path: a, mask: ''}"),
    ],
)
def test_the_schema_refuses_wrong_blends_as_the_loader_does(style):
    text = f"version: 1\ninputs: {{content: a, style: [{style}]}}"
    assert not SCHEMA.is_valid(yaml.safe_load(text))
    assert said_about(text)


def test_parts_of_a_blend_are_reached_by_set():
    text = "version: 1\ninputs: {content: a, style: {blend: [b.png, c.png]}}"
    manifest = load(text, "m.yaml", ["inputs.style.0.blend.1.weight=3", "inputs.style.0.blend.0.path=d.png"]).manifest
    assert [(part.path, part.weight) for part in manifest.inputs.style[0].blend] == [("d.png", 1.0), ("c.png", 3.0)]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json_schema()["properties"]["defaults"]["$ref"] == "#/$defs/Settings"
    axis = json_schema()["$defs"]["Axes"]["properties"]["tv_weight"]
    assert "total variation" in axis["description"]


@pytest.mark.parametrize(
    "data", [b"version: 1\nname: caf\xe9\n", "version: 1".encode("utf-16"), b"\x89PNG\r\n\x1a\n\0\0"]
)
def test_a_file_that_is_no_text(tmp_path, data):
    (tmp_path / "m.yaml").write_bytes(data)
    with pytest.raises(StylepressError, match=r"m\.yaml"):
        read_manifest(str(tmp_path / "m.yaml"))


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(StylepressError, match="there is no manifest"):
        read_manifest(str(tmp_path / "m.yaml"))
    with pytest.raises(StylepressError, match="not a file"):
        read_manifest(str(tmp_path))


# --set


@pytest.mark.parametrize(
    ("assignment", "found"),
    [
        ("defaults.steps=50", lambda m: m.defaults["steps"] == 50),
        ("defaults.style_weight=1e5", lambda m: m.defaults["style_weight"] == "1e5"),
        ("defaults.style_layers.relu1_1=0.5", lambda m: m.defaults["style_layers"] == {"relu1_1": 0.5}),
        ("jobs.0.grid.seed=[0, 1]", lambda m: m.jobs[0].grid == {"seed": [0, 1]}),
        ("jobs.0.zip.tv_weight=[0, 0.002]", lambda m: m.jobs[0].zip == {"tv_weight": [0, 0.002]}),
        ("jobs.0.sample={count: 3}", lambda m: m.jobs[0].sample.count == 3),
        ("inputs.style.1.label=Y", lambda m: [s.label for s in m.inputs.style] == [None, "Y"]),
        ("inputs.style.0.path=z.png", lambda m: m.inputs.style[0].path == "z.png"),
        ("inputs.style.0={blend: [a.png, {path: b.png, weight: 2}]}", lambda m: m.inputs.style[0].blend[1].weight == 2),
        ("inputs.style.0.mask=m.png", lambda m: m.inputs.style[0].mask == "m.png"),
        ("inputs.root=s3://b/p", lambda m: m.inputs.root == "s3://b/p"),
        ("output.format=webp", lambda m: m.output.format == "webp"),
        ("run.chunk=90s", lambda m: m.run.chunk == 90),
        ("name=no", lambda m: m.name == "no"),
        ("sheets=[{rows: seed}]", lambda m: m.sheets[0].rows == ["seed"]),
    ],
)
def test_set_reaches_any_key(assignment, found):
    assert found(load(HEAD, "m.yaml", [assignment]).manifest)


def test_sets_apply_in_turn():
    manifest = load(HEAD, "m.yaml", ["defaults.steps=50", "defaults={seed: 3}", "defaults.size=64"]).manifest
    assert manifest.defaults == {"seed": 3, "size": 64}


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("defaults.stepps=50", "did you mean 'steps'?"),
        ("defalts.steps=50", "did you mean 'defaults'?"),
        ("jobs.0.grid.seed=5", "an axis is a list"),
        ("jobs.0.grid.seed=[]", "empty"),
        ("jobs.3.grid.seed=[1]", "index"),
        ("inputs.style.7.label=x", "index"),
        ("name.first=x", "no keys"),
        ("defaults.steps", "KEY=VALUE"),
        ("defaults.steps=[", "not YAML"),
        ("defaults.steps=", "got None"),
    ],
)
def test_a_wrong_set_is_said_with_the_option(assignment, said):
    (message,) = said_about(HEAD + "jobs: [{}]\nname: x", [assignment])
    assert f"--set {assignment}" in message
    assert said in message


# what a check goes on with


def test_lenient_keeps_what_is_right():
    text = (
        HEAD + "naem: x\njobs:\n  - grid: {seed: [0, x]}\n  - grid: {seed: [1, 2]}\n  - grdi: {}\nsheets: [{rows: sed}]"
    )
    loaded = load(text, "m.yaml", lenient=True)
    assert len(loaded.problems) == len(said_about(text)) == 4
    assert [job.grid for job in loaded.manifest.jobs] == [{"seed": [1, 2]}]
    assert loaded.document.place(("jobs", 0, "grid", "seed")).line == 6
    assert loaded.manifest.sheets == []


def test_lenient_drops_jobs_that_rest_on_a_mistake():
    loaded = load(HEAD + "defaults: {size: 8, seed: 1}\njobs: [{exclude: [{size: 8}]}]", "m.yaml", lenient=True)
    assert loaded.manifest.defaults == {"seed": 1}
    assert loaded.manifest.jobs[0].exclude == []


def test_lenient_has_limits():
    for text in ("version: 2\ninputs: {}", "a: [", "version: 1\ninputs: 5"):
        with pytest.raises(ManifestError):
            load(text, "m.yaml", lenient=True)
