"""The parameter space: exactly the cells a manifest means, in its order, counted without being made."""

import itertools
import random
import re
import sys
import time

import pytest
import yaml
from studies import HEAD, ONE, blocks_of, cells_of, paint, read

from flows import cells, inputs, variation
from flows.manifest import load
from flows.source import ManifestError
from stylecore.settings import Settings


@pytest.fixture
def folder(tmp_path):
    return paint(tmp_path)


STEPS = Settings().steps
A, B, X, Y = "photos/a.png", "photos/b.png", "styles/x.png", "styles/y.png"
GATYS, OF_CONTENT, OF_STYLE = "gatys", "content-reconstruction", "style-reconstruction"
METHODS = f"[{GATYS}, {OF_CONTENT}, {OF_STYLE}]"


def shown(cell, *names):
    pictures = (cell.content and cell.content.name, cell.style and cell.style.name)
    return (*pictures, *(getattr(cell.settings, name) for name in names))


# fmt: off
TABLE = {
    "every content with every style, content first":
        (HEAD, "", (), [(A, X), (A, Y), (B, X), (B, Y)]),
    "pairs":
        (HEAD, "jobs: [{pair: zip}]", (), [(A, X), (B, Y)]),
    "axes in the order written, the last moving fastest":
        (ONE, "jobs: [{grid: {seed: [2, 1], size: [64, 128]}}]", ("seed", "size"),
         [(A, X, 2, 64), (A, X, 2, 128), (A, X, 1, 64), (A, X, 1, 128)]),
    "pictures before axes":
        (HEAD, "jobs: [{pair: zip, grid: {seed: [0, 1]}}]", ("seed",), [(A, X, 0), (A, X, 1), (B, Y, 0), (B, Y, 1)]),
    "zip is one axis after the grid":
        (ONE, "jobs: [{zip: {size: [64, 128], tv_weight: [0, 1]}, grid: {seed: [0, 1]}}]",
         ("seed", "size", "tv_weight"),
         [(A, X, 0, 64, 0), (A, X, 0, 128, 1), (A, X, 1, 64, 0), (A, X, 1, 128, 1)]),
    "defaults, and an axis over a default":
        (ONE, "defaults: {steps: 7, seed: 5}\njobs: [{grid: {seed: [1]}}, {}]", ("steps", "seed"),
         [(A, X, 7, 1), (A, X, 7, 5)]),
    "numbers as people write them":
        (ONE, "jobs: [{grid: {style_weight: [1e5, '1e5', 1.0e-3]}}]", ("style_weight",),
         [(A, X, 1e5), (A, X, 1e5), (A, X, 1e-3)]),
    "exclude":
        (ONE, "jobs: [{grid: {seed: [0, 1, 2], size: [64, 128]}, exclude: [{size: 128, seed: 2}, {seed: 0}]}]",
         ("seed", "size"), [(A, X, 1, 64), (A, X, 1, 128), (A, X, 2, 64)]),
    "exclude by a picture's path or label, and by a default":
        (HEAD, "defaults: {seed: 4}\njobs: [{exclude: [{content: photos/a.png, style: y}, {content: b, seed: 4}]}]", (),
         [(A, X)]),
    "exclude with a number in other words":
        (ONE, "jobs: [{grid: {style_weight: [1, 1000]}, exclude: [{style_weight: 1e3}]}]", ("style_weight",),
         [(A, X, 1)]),
    "exclude by one row of a zip":
        (ONE, "jobs: [{zip: {size: [64, 128, 64], seed: [0, 0, 1]}, exclude: [{size: 64, seed: 0}]}]", ("size", "seed"),
         [(A, X, 128, 0), (A, X, 64, 1)]),
    "override changes and never adds":
        (ONE, "jobs: [{grid: {size: [64, 128]}, override: [{when: {size: 128}, set: {steps: 9, seed: 3}}]}]",
         ("size", "steps", "seed"), [(A, X, 64, STEPS, 0), (A, X, 128, 9, 3)]),
    "overrides look at what the axes made, later ones win":
        (ONE, "jobs: [{grid: {size: [64, 128]}, override: [{when: {size: 64}, set: {size: 128}},"
              " {when: {size: 128}, set: {steps: 5}}, {when: {size: 64}, set: {seed: 2}}]}]",
         ("size", "steps", "seed"), [(A, X, 128, STEPS, 2), (A, X, 128, 5, 0)]),
    "override by picture":
        (HEAD, "jobs: [{override: [{when: {content: b}, set: {seed: 1}}]}]", ("seed",),
         [(A, X, 0), (A, Y, 0), (B, X, 1), (B, Y, 1)]),
    "add comes last, with its own settings and neither exclude nor override":
        (ONE, "jobs: [{grid: {seed: [0, 1]}, exclude: [{seed: 1}], override: [{when: {seed: 0}, set: {steps: 5}}],"
              " add: [{content: photos/b.png, style: y.png, seed: 1}, {content: a, style: styles/x.png}]}]",
         ("seed", "steps"), [(A, X, 0, 5), (B, "y.png", 1, STEPS), (A, X, 0, STEPS)]),
    "a job of added cells only":
        ("version: 1\ninputs: {}\n", "jobs: [{add: [{content: photos/a.png, style: styles/y.png}]}]", (), [(A, Y)]),
    "jobs one after the other":
        (ONE, "jobs: [{grid: {seed: [1, 2]}}, {grid: {seed: [2, 3]}}]", ("seed",),
         [(A, X, 1), (A, X, 2), (A, X, 2), (A, X, 3)]),
    "a preset, overridden by defaults, overridden by an axis":
        (ONE, "defaults: {preset: neural-style, size: 64}\njobs: [{grid: {seed: [1]}}]",
         ("content_weight", "tv_norm", "size", "seed"), [(A, X, 5.0, "absolute", 64, 1)]),
    "presets as an axis, matched by what they set":
        (ONE, "jobs: [{grid: {preset: [neural-style, none, gatys-2016]}, exclude: [{tv_norm: absolute}],"
              " override: [{when: {pooling: average}, set: {steps: 1}}]}]", ("pooling", "steps"),
         [(A, X, "max", STEPS), (A, X, "average", 1)]),
    "layers, lists and mappings as values":
        (ONE, "jobs: [{grid: {content_layers: [relu4_2, [relu1_1, relu2_1], {relu3_1: 0.5}], scales: [[64, 32]]},"
              " exclude: [{content_layers: [relu4_2]}]}]\ndefaults: {size: 64}", ("content_layers", "scales"),
         [(A, X, {"relu1_1": 1.0, "relu2_1": 1.0}, [32, 64]), (A, X, {"relu3_1": 0.5}, [32, 64])]),
    "sizes, steps and starts in every form":
        (ONE, "jobs: [{grid: {size: [64, 50%, 64x48], steps: [[1, 2], 3]}, exclude: [{steps: [1, 2], size: 50%}]}]",
         ("size", "steps"),
         [(A, X, 64, [1, 2]), (A, X, 64, 3), (A, X, "50%", 3), (A, X, "64x48", [1, 2]), (A, X, "64x48", 3)]),
    "starts that are mixed, one of them left out":
        (ONE, "jobs: [{grid: {init: [grey, {content: 9, noise: 1}, {style: 1}]}, exclude: [{init: {style: '1'}}]}]",
         ("init",), [(A, X, "grey"), (A, X, {"content": 9.0, "noise": 1.0})]),
    "a method that uses no style has one cell for all of them":
        (HEAD, "defaults: {method: content-reconstruction}", (), [(A, None), (B, None)]),
    "a method that uses no content":
        (HEAD, "defaults: {method: style-reconstruction}\njobs: [{grid: {seed: [0, 1]}}]", ("seed",),
         [(None, X, 0), (None, X, 1), (None, Y, 0), (None, Y, 1)]),
    "what a method does not use need not be there":
        ("version: 1\ninputs: {style: styles/x.png}\n", "jobs: [{grid: {method: [style-reconstruction]}}]", (),
         [(None, X)]),
    "methods along an axis, each with the pictures it uses":
        (HEAD, f"jobs: [{{grid: {{method: {METHODS}}}}}]", ("method",),
         [(A, X, GATYS), (A, None, OF_CONTENT), (None, X, OF_STYLE), (A, Y, GATYS), (None, Y, OF_STYLE),
          (B, X, GATYS), (B, None, OF_CONTENT), (B, Y, GATYS)]),
    "methods and pairs":
        (HEAD, f"jobs: [{{pair: zip, grid: {{method: {METHODS}}}}}]", ("method",),
         [(A, X, GATYS), (A, None, OF_CONTENT), (None, X, OF_STYLE),
          (B, Y, GATYS), (B, None, OF_CONTENT), (None, Y, OF_STYLE)]),
    "pairs where one kind only is used":
        ("version: 1\ninputs: {content: [photos/a.png, photos/b.png], style: styles/x.png}\n",
         "jobs: [{pair: zip, grid: {method: [content-reconstruction]}}]", (), [(A, None), (B, None)]),
    "a condition on a picture is met only where the method uses it":
        (HEAD, f"jobs: [{{grid: {{method: {METHODS}}}, exclude: [{{style: x}}, {{content: a, method: gatys}}],"
               " override: [{when: {content: b}, set: {steps: 3}}]}]", ("method", "steps"),
         [(A, None, OF_CONTENT, 300), (None, Y, OF_STYLE, STEPS), (B, None, OF_CONTENT, 3), (B, Y, GATYS, 3)]),
    "a method's own defaults are matched, and a preset along another axis":
        (ONE, f"jobs: [{{grid: {{method: {METHODS}, preset: [none, neural-style]}}, exclude: [{{init: noise}}]}}]",
         ("method", "preset", "init"), [(A, X, GATYS, None, "content")]),
    "override to a method that uses less":
        (ONE, "jobs: [{grid: {seed: [0, 1]}, override: [{when: {seed: 1}, set: {method: style-reconstruction}}]}]",
         ("seed",), [(A, X, 0), (None, X, 1)]),
    "add with another method":
        (ONE, "jobs: [{add: [{style: x, method: style-reconstruction}, {content: a, style: x, seed: 2,"
              " method: content-reconstruction}]}]", ("method", "seed"),
         [(A, X, GATYS, 0), (None, X, OF_STYLE, 0), (A, None, OF_CONTENT, 2)]),
    "a sample of cells that several methods make":
        (HEAD, f"jobs: [{{grid: {{method: {METHODS}}}, sample: {{count: 99}}}}]", (),
         [(A, X), (A, None), (None, X), (A, Y), (None, Y), (B, X), (B, None), (B, Y)]),
}
# fmt: on


@pytest.mark.parametrize("name", TABLE)
def test_a_manifest_gives_exactly_its_cells(folder, name):
    head, text, names, expected = TABLE[name]
    (folder / "y.png").write_bytes((folder / Y).read_bytes())
    blocks = blocks_of(read(folder, head + text))
    assert [shown(cell, *names) for block in blocks for cell in block] == expected
    assert sum(map(len, blocks)) == len(expected)


def test_cells_are_fully_resolved(folder):
    (cell,) = cells_of(read(folder, ONE + "defaults: {preset: gatys-2016, steps: 5}"))
    assert cell.settings == Settings.resolve({"preset": "gatys-2016", "steps": 5})
    assert (cell.content.width, cell.content.height) == (24, 16)
    assert cell.pictures == (cell.content, cell.style)


def test_labels_follow_their_values(folder):
    text = (
        "jobs: [{grid: {tv_weight: [{value: 0, label: none}, {value: 1, label: some}, 2]},"
        " override: [{when: {tv_weight: 1}, set: {tv_weight: 3}}]}]"
    )
    found = [(cell.settings.tv_weight, cell.labels) for cell in cells_of(read(folder, ONE + text))]
    assert found == [(0, {"tv_weight": "none"}), (3, {}), (2, {})]


def test_a_picture_to_start_from(folder):
    text = "jobs: [{grid: {init: [noise, photos/b.png, {value: 'sample:cat', label: cat}]}}]"
    found = [(cell.settings.init, cell.init and cell.init.name) for cell in cells_of(read(folder, ONE + text))]
    assert found == [("noise", None), ("photos/b.png", "photos/b.png"), ("sample:cat", "sample:cat")]


def test_what_varies(folder):
    text = (
        "jobs: [{grid: {seed: [0], size: [64, 128]}, override: [{when: {seed: 0}, set: {steps: 4}}],"
        " add: [{content: a, style: x, tv_weight: 2}]}]"
    )
    assert variation.varying(blocks_of(read(folder, ONE + text))) == ["size", "steps", "tv_weight"]


def test_what_varies_between_jobs_varies_too(folder):
    text = "jobs: [{grid: {seed: [0, 1], size: [64]}}, {grid: {seed: [0, 1], init: [noise], size: [64]}}]"
    assert variation.varying(blocks_of(read(folder, ONE + text))) == ["seed", "init"]


def test_values_come_in_the_order_written(folder):
    text = "jobs: [{grid: {seed: [3, {value: 1, label: one}, 2]}}, {grid: {seed: [5, 3]}}]"
    assert variation.orders(blocks_of(read(folder, ONE + text)))["seed"] == ["3", "one", "2", "5"]


# mistakes that only show beside the pictures

# fmt: off
MISTAKES = [
    ("jobs:\n  - pair: zip", "inputs: {content: [photos/a.png, photos/b.png], style: styles/x.png}", 4, "got 2 and 1"),
    ("jobs: [{}]", "inputs: {style: styles/x.png}", 2, "inputs.content"),
    ("jobs:\n  - exclude:\n      - {seed: 1}", None, 5, "exclude: no cell of this job has seed: 1"),
    ("jobs:\n  - grid: {seed: [0, 1], size: [64, 128]}\n    exclude: [{seed: 0, size: 256}]", None, 5, "size: 256"),
    ("jobs:\n  - exclude:\n      - {content: photos/aa.png}", None, 5, "did you mean 'photos/a.png'?"),
    ("jobs:\n  - exclude: [{content: photos/a.png}]", None, 4, "removes every cell"),
    ("jobs:\n  - override:\n      - {when: {seed: 1}, set: {steps: 2}}", None, 5, "override: no cell"),
    ("jobs:\n  - override: [{when: {style: z}, set: {steps: 2}}]", None, 4, "'z' is none of inputs.style"),
    ("jobs:\n  - grid: {seed: [0, 1]}\n    exclude: [{seed: 1}]\n    override: [{when: {seed: 1}, set: {steps: 2}}]",
     None, 6, "exclude removes every cell"),
    ("jobs:\n  - add:\n      - {content: photos/a.png}", None, 5, "'style' is missing"),
    ("jobs:\n  - grid: {size: [64]}\ndefaults: {scales: [128]}", None, 5, "scales"),
    ("defaults: {encoder: vgg19}\njobs:\n  - override:\n      - {when: {seed: 0}, set: {encoder: vgg16-torchvision}}\n"
     "    grid:\n      style_layers: [relu3_4]", None, 8, "relu3_4"),
    ("jobs: [{}]", "inputs: {content: photos/a.png}", 2, "method gatys needs at least one picture under inputs.style"),
    ("jobs:\n  - grid: {method: [style-reconstruction, gatys]}", "inputs: {style: styles/x.png}", 2,
     "method gatys needs at least one picture under inputs.content: add content: [PATH]"),
    ("defaults:\n  method: style-reconstruction\n  init: content", None, 5, "uses no content picture to start from"),
    ("jobs:\n  - grid:\n      method: [content-reconstruction]\n      init: [noise, {style: 1, noise: 1}]", None, 6,
     "uses no style picture to start from"),
    ("defaults: {method: style-reconstruction}\njobs:\n  - override:\n      - when: {style: x}\n"
     "        set: {method: gatys}", None, 7, "gatys needs a content picture"),
    ("defaults: {method: content-reconstruction}\njobs:\n  - exclude: [{style: x}]", None, 5, "no cell of this job"),
    ("jobs:\n  - grid: {method: [gatys, content-reconstruction]}\n"
     "    exclude: [{method: content-reconstruction, style: x}]", None, 5, "no cell of this job has method"),
    ("jobs:\n  - add:\n      - {content: a, style: x}\n      - {content: a, method: style-reconstruction}", None, 6,
     "'style' is missing"),
    ("defaults: {method: style-reconstruction, init: content}", "inputs: {style: styles/x.png}", 3, "init:"),
]
# fmt: on


@pytest.mark.parametrize(("text", "head", "line", "said"), MISTAKES, ids=[case[3] for case in MISTAKES])
def test_mistakes_stand_at_their_line(folder, text, head, line, said):
    loaded = read(folder, "version: 1\n" + (head or ONE.splitlines()[1]) + "\n" + text)
    with pytest.raises(ManifestError) as caught:
        cells_of(loaded)
    (problem,) = caught.value.problems
    assert said in problem.message
    assert problem.place.line == line


MASKED = """version: 1
inputs:
  content:
    - photos/b.png
    - {path: photos/a.png, masks: [photos/a.png, photos/b.png], label: Harbour}
  style:
%s
"""
MIX = "    - {blend: [styles/x.png, styles/y.png], label: Mix}"


def test_masks_and_parts_go_together(folder):
    harbour, plain = [cell for cell in cells_of(read(folder, MASKED % MIX)) if cell.style][::-1]
    assert [mask.name for mask in harbour.content.masks] == [A, B]
    assert plain.content.masks == ()
    assert [picture.name for picture in harbour.pictures] == [A, A, B, X, Y]
    assert harbour.inputs == (harbour.content, harbour.style)


@pytest.mark.parametrize(
    ("style", "said"),
    [
        ("    - styles/x.png", "Harbour has 2 and the style x is made of 1 picture"),
        ("    - {blend: [styles/x.png, styles/y.png, 'sample:waves'], label: Three}",
         "Harbour has 2 and the style Three is made of 3 pictures"),
    ],
)  # fmt: skip
def test_masks_for_another_number_of_parts_are_said_at_the_contents_line(folder, style, said):
    with pytest.raises(ManifestError) as caught:
        cells_of(read(folder, MASKED % style))
    (problem,) = caught.value.problems
    assert said in problem.message
    assert problem.place.line == 5


def test_masks_of_styles_go_where_no_style_is_used(folder):
    loaded = read(folder, MASKED % "    - styles/x.png" + "defaults: {method: content-reconstruction}")
    assert [(cell.content.label, cell.content.masks, cell.style) for cell in cells_of(loaded)] == [
        ("b", (), None),
        ("Harbour", (), None),
    ]


def test_a_blend_is_one_value_of_the_style_axis(folder):
    text = MASKED % (MIX + "\n    - styles/x.png") + (
        "jobs: [{exclude: [{content: Harbour, style: x}], override: [{when: {style: Mix}, set: {seed: 1}}]}]"
    )
    blocks = blocks_of(read(folder, text))
    found = [(cell.content.label, cell.style.label, cell.settings.seed) for block in blocks for cell in block]
    assert found == [("b", "Mix", 1), ("b", "x", 0), ("Harbour", "Mix", 1)]
    assert sum(map(len, blocks)) == 3
    assert variation.orders(blocks)["style"] == ["Mix", "x"]


def test_cells_of_several_methods_agree_with_enumeration_by_hand(folder):
    rng = random.Random(5)
    found = inputs.find(read(folder, HEAD), {})
    names = ("content", "style", "method", "seed", "preset", "init")
    for _ in range(120):
        methods = rng.sample([GATYS, OF_CONTENT, OF_STYLE], rng.randint(1, 3))
        axes = [("method", methods), ("seed", [0, 1]), ("preset", ["none", "neural-style"])]
        job = {"grid": dict(rng.sample(axes, 3)), "pair": rng.choice(["product", "zip"])}
        both = {GATYS} & set(methods) or len(methods) == 2
        pairs = [(A, X), (B, Y)] if job["pair"] == "zip" and both else list(itertools.product((A, B), (X, Y)))
        rows = []
        for (content, style), values in itertools.product(pairs, itertools.product(*job["grid"].values())):
            row = dict(zip(job["grid"], values, strict=True))
            used = {"content": row["method"] != OF_STYLE and content, "style": row["method"] != OF_CONTENT and style}
            row |= {kind: used[kind] or None for kind in used}
            row["init"] = Settings.resolve({n: row[n] for n in ("method", "preset")}).init
            rows += [row] if row not in rows else []
        sources = rng.sample(rows, min(2, len(rows)))
        job["exclude"] = [{n: r[n] for n in rng.sample([n for n in names if r[n]], 2)} for r in sources]
        left = [row for row in rows if not any(all(row[n] == v for n, v in one.items()) for one in job["exclude"])]
        text = HEAD + yaml.safe_dump({"jobs": [job]}, sort_keys=False)
        if not left:
            continue
        (block,) = cells.blocks(load(text, "m.yaml"), found)
        made = [shown(cell, "method", "seed", "preset", "init") for cell in block]
        expected = [tuple(None if row[n] == "none" else row[n] for n in names) for row in left]
        assert made == expected, text
        assert len(block) == len(expected), text


def test_mistakes_of_all_jobs_are_said_at_once(folder):
    text = "jobs:\n" + "".join(f"  - exclude: [{{seed: {n}}}, {{size: 6{n}}}]\n" for n in (1, 2, 3))
    with pytest.raises(ManifestError) as caught:
        blocks_of(read(folder, ONE + text))
    assert [problem.place.line for problem in caught.value.problems] == [4, 4, 5, 5, 6, 6]


# properties


def random_job(rng):
    """A job, and its cells enumerated by hand as (content, style, seed, size, tv_weight, steps)."""
    seeds = rng.sample(range(9), rng.randint(1, 3))
    sizes = rng.sample([32, 64, 128, 256], rng.randint(1, 3))
    weights = [rng.choice([0.0, 0.5, 1.0]) for _ in sizes]
    pair = rng.choice(["product", "zip"])
    pictures = [(A, X), (B, Y)] if pair == "zip" else list(itertools.product((A, B), (X, Y)))
    rows = [
        {"content": c, "style": s, "seed": seed, "size": size, "tv_weight": weight, "steps": STEPS}
        for c, s in pictures
        for seed in seeds
        for size, weight in zip(sizes, weights, strict=True)
    ]

    def condition():
        row = rng.choice(rows)
        return {name: row[name] for name in rng.sample(["content", "style", "seed", "size", "tv_weight"], 2)}

    excludes = [condition() for _ in range(rng.randint(0, 2))]
    overrides = [{"when": condition(), "set": {"steps": n + 1}} for n in range(rng.randint(0, 2))]
    added = [{"content": A, "style": Y, "seed": 100 + n} for n in range(rng.randint(0, 2))]

    def met(row, part):
        return all(row[name] == value for name, value in part.items())

    left = [row for row in rows if not any(met(row, part) for part in excludes)]
    useful = all(any(met(row, o["when"]) for row in left) for o in overrides) and bool(left or added)
    cells = [row | {k: v for o in overrides if met(row, o["when"]) for k, v in o["set"].items()} for row in left]
    cells += [{"size": Settings.size, "tv_weight": Settings.tv_weight, "steps": STEPS, **row} for row in added]
    job = {
        "pair": pair,
        "grid": {"seed": seeds},
        "zip": {"size": sizes, "tv_weight": weights},
        "exclude": excludes,
        "override": overrides,
        "add": added,
    }
    return job, [tuple(c[n] for n in ("content", "style", "seed", "size", "tv_weight", "steps")) for c in cells], useful


def test_random_jobs_agree_with_enumeration_by_hand(folder):
    rng = random.Random(20)
    tried = 0
    loaded = read(folder, HEAD)
    found = inputs.find(loaded, {"photos/a.png": (), "styles/y.png": ()})
    while tried < 150:
        job, expected, useful = random_job(rng)
        text = HEAD + yaml.safe_dump({"jobs": [job]}, sort_keys=False)
        if not useful:
            with pytest.raises(ManifestError):
                cells.blocks(load(text, "m.yaml"), found)
            continue
        tried += 1
        (block,) = cells.blocks(load(text, "m.yaml"), found)
        assert [shown(cell, "seed", "size", "tv_weight", "steps") for cell in block] == expected, text
        assert len(block) == len(expected), text
        for count in (1, len(expected) // 2 + 1, len(expected) + 5):
            job["sample"] = {"count": count, "seed": tried}
            text = HEAD + yaml.safe_dump({"jobs": [job]}, sort_keys=False)
            (sampled,) = cells.blocks(load(text, "m.yaml"), found)
            subset = [shown(cell, "seed", "size", "tv_weight", "steps") for cell in sampled]
            assert len(subset) == len(sampled) == min(count, len(expected))
            rest = iter(expected)
            assert all(cell in rest for cell in subset), "a sample keeps the order and takes nothing twice"


def test_a_sample_is_reproducible_and_depends_on_its_seed(folder):
    def drawn(seed, extra=""):
        text = f"jobs: [{{grid: {{seed: {{range: [0, 1000, 1]}}}}, sample: {{count: 20, seed: {seed}}}{extra}}}]"
        return [cell.settings.seed for cell in cells_of(read(folder, ONE + text))]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert len(set(drawn(1))) == 20
    assert drawn(1) == sorted(drawn(1))
    with_exclude = drawn(1, ", exclude: [{seed: 5}]")
    assert len(with_exclude) == 20
    assert 5 not in with_exclude


def test_a_sample_keeps_added_cells_and_reaches_every_position(folder):
    text = "jobs: [{grid: {seed: [0, 1]}, add: [{content: a, style: x, seed: 7}], sample: {count: 2, seed: %d}}]"
    found = {tuple(c.settings.seed for c in cells_of(read(folder, ONE + text % seed))) for seed in range(30)}
    assert found == {(0, 7), (1, 7)}


MILLION = {
    "two axes": "jobs: [{grid: {style_weight: {linspace: [1, 1000, 1000]}, seed: {range: [0, 1000, 1]}}}]",
    "one axis": "jobs: [{grid: {seed: {range: [0, 1000000, 1]}}}]",
    "exclude on both axes": "jobs: [{grid: {style_weight: {linspace: [1, 1000, 1000]}, seed: {range: [0, 1000, 1]}},"
    " exclude: [{seed: 999, style_weight: 1000}]}]",
    "a sample": "jobs: [{grid: {style_weight: {linspace: [1, 1000, 1000]}, seed: {range: [0, 1000, 1]}},"
    " sample: {count: 3}}]",
}


@pytest.mark.parametrize("name", MILLION)
def test_a_million_cells_are_counted_at_once_and_the_first_comes_at_once(folder, name):
    loaded = read(folder, ONE + MILLION[name])
    began = time.monotonic()
    (block,) = blocks_of(loaded)
    assert len(block) == {"exclude on both axes": 999_999, "a sample": 3}.get(name, 1_000_000)
    assert next(iter(block)).content.name == A
    assert time.monotonic() - began < 1


def test_more_cells_than_a_machine_can_count(folder):
    axes = ", ".join(
        f"{name}: {{linspace: [1, 2, 1000000]}}" for name in ("tv_weight", "style_weight", "content_weight")
    )
    (block,) = blocks_of(read(folder, ONE + f"jobs: [{{grid: {{{axes}, seed: {{range: [0, 1000, 1]}}}}}}]"))
    assert len(block) == sys.maxsize
    assert next(iter(block)).settings.tv_weight == 1


def test_pictures_named_outside_inputs(folder):
    text = (
        "defaults: {init: d.png}\njobs: [{grid: {init: [noise, {value: g.png}]}},"
        " {override: [{when: {seed: 0}, set: {init: o.png}}], add: [{content: c.png, style: s.png, init: i.png}]}]"
    )
    named = inputs.pictures_named(read(folder, ONE + text))
    assert list(named) == ["d.png", "g.png", "o.png", "i.png", "c.png", "s.png"]
    assert all(re.search(r"init|content|style", str(path)) for path in named.values())
