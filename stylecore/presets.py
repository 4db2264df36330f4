"""Sets of defaults: our own schedules by name, and published set-ups.

A preset leaves the encoder alone; `NETWORKS` tells which one each was published with. Where pixels were published in
0–255, rates and weights are converted to this package's 0–1.
"""

from __future__ import annotations

from typing import Any

_RELU_STYLE = tuple(f"relu{block}_1" for block in range(1, 6))

_GRAM: dict[str, Any] = {"style_statistic": ["gram"], "bounds": "none", "size": 512, "scales": 1}
_PLAIN: dict[str, Any] = {**_GRAM, "pooling": "max", "padding": "zero", "tv_weight": 0.0}
_VGG16 = ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3))  # convolutions of each block
_OXFORD = "the VGG-19 of Oxford in Caffe's form, whose features are 20 to 440 times those of encoder: vgg19"

SCHEDULES: dict[str, dict[str, Any]] = {
    "standard": {},
    "draft": {"steps": [50, 25]},
    "fine": {"style_statistic": ["wasserstein2"], "steps": [500, 250]},
}
"""Our own, by name. `standard` is what is set by default, scoring about as crowsonkb's in an eighth of its time."""

PUBLISHED: dict[str, dict[str, Any]] = {
    # Gatys, Ecker, Bethge 2016: conv4_2 against conv1_1 … conv5_1, average pooling, eq. 1 and 4, w_l = 1/5,
    # alpha/beta = 1e-3, white noise start, 512 px; steps as in the authors' notebook.
    "gatys-2016": {
        **_GRAM,
        "content_layers": ["conv4_2"],
        "style_layers": {f"conv{block}_1": 0.2 for block in range(1, 6)},
        "content_weight": 1e-3,
        "style_weight": 1.0,
        "content_normalization": "sum",
        "style_normalization": "paper",
        "tv_weight": 0.0,
        "pooling": "average",
        "padding": "zero",
        "init": "noise",
        "steps": 500,
    },
    # leongatys/PytorchNeuralStyleTransfer, the notebook's low-resolution pass: weights 1e3/C², L-BFGS, content start.
    "gatys-notebook": {
        **_GRAM,
        "content_layers": ["relu4_2"],
        "style_layers": list(_RELU_STYLE),
        "content_weight": 1.0,
        "style_weight": 1e3,
        "content_normalization": "mean",
        "style_normalization": "channels",
        "tv_weight": 0.0,
        "pooling": "max",
        "padding": "zero",
        "init": "content",
        "steps": 500,
        "history_size": 100,
    },
    # ProGamerGov/neural-style-pt: 5 · MSE and 1e2 · MSE(F Fᵀ / (C·H·W)) per layer, absolute total variation,
    # noise · 0.001 in 0–255, history 100.
    "neural-style": {
        **_GRAM,
        "content_layers": ["relu4_2"],
        "style_layers": list(_RELU_STYLE),
        "content_weight": 5.0,
        "style_weight": 1e2,
        "content_normalization": "mean",
        "style_normalization": "channels",
        "tv_weight": 1e-3,
        "tv_norm": "absolute",
        "pooling": "max",
        "padding": "zero",
        "init": "noise",
        "noise": 0.001 / 255,
        "steps": 1000,
        "history_size": 100,
    },
    # anishathalye/neural-style: 5 · mean, (500/5) / C² · M, total variation 100 · mean squares, Adam 10 of 255.
    # relu5_2, whose weight is 0 by default (content_weight_blend 1), is left out.
    "anishathalye": {
        **_PLAIN,
        "content_layers": ["relu4_2"],
        "style_layers": dict.fromkeys(_RELU_STYLE, 0.2),
        "content_weight": 5.0,
        "style_weight": 500.0,
        "content_normalization": "mean",
        "style_normalization": "channels",
        "tv_weight": 100.0,
        "init": "noise",
        "noise": 0.256 / 255,
        "optimizer": "adam",
        "learning_rate": 10 / 255,
        "adam_betas": [0.9, 0.999],
        "steps": 1000,
    },
    # pytorch.org, "Neural Transfer Using PyTorch": the first five convolutions, before their rectifiers.
    "pytorch-tutorial": {
        **_PLAIN,
        "content_layers": ["conv2_2"],
        "style_layers": ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"],
        "content_weight": 1.0,
        "style_weight": 1e6,
        "content_normalization": "mean",
        "style_normalization": "channels",
        "init": "content",
        "steps": 300,
        "history_size": 100,
    },
    # Chollet, Deep Learning with Python, 2nd ed., section 12.3: 2.5e-8 · sum, 1e-6 / 5 · sum / (4 · 3² · size²),
    # gradient descent 100 · 0.96^(step / 100) on 0–255, 400 px high. block5_conv2 of Keras is rectified.
    "chollet": {
        **_PLAIN,
        "content_layers": ["relu5_2"],
        "style_layers": dict.fromkeys(_RELU_STYLE, 0.2),
        "content_weight": 5e-8,  # `sum` is half the sum
        "style_weight": 1e-6,
        "content_normalization": "sum",
        "style_normalization": "pixels",
        "tv_weight": 1e-6,
        "tv_norm": "power",
        "init": "content",
        "size": 400,
        "optimizer": "sgd",
        "learning_rate": 100 / 255**2,
        "learning_rate_decay": 0.96,
        "steps": 4000,
    },
    # tensorflow.org, "Neural style transfer": 1e4 · mean, 1e-2 / 5 · M, total variation 30 · sum in 0–1, Adam 0.02.
    "google-tutorial": {
        **_PLAIN,
        "content_layers": ["relu5_2"],
        "style_layers": dict.fromkeys(_RELU_STYLE, 0.2),
        "content_weight": 1e4,
        "style_weight": 1e-2,
        "content_normalization": "mean",
        "style_normalization": "mean",
        "tv_weight": 30 / 255,
        "tv_norm": "absolute",
        "init": "content",
        "optimizer": "adam",
        "learning_rate": 0.02,
        "adam_betas": [0.99, 0.999],
        "adam_epsilon": 0.1,
        "steps": 1000,
    },
    # Hvass, TensorFlow tutorial 15: VGG-16, its fifth convolution against all thirteen; each term divided by its own
    # value; gradient / standard deviation · 10 of 255; uniform noise one grey level wide, there above 128, here
    # around the encoder's mean colour.
    "hvass": {
        **_PLAIN,
        "content_layers": ["relu3_1"],
        "style_layers": {f"relu{b}_{n}": 1 / 13 for b, last in _VGG16 for n in range(1, last + 1)},
        "content_weight": 1.5,
        "style_weight": 10.0,
        "content_normalization": "mean",
        "style_normalization": "positions",
        "tv_weight": 0.3,
        "tv_norm": "absolute",
        "balance": "terms",
        "init": "noise",
        "noise": 0.5 / 255,
        "noise_distribution": "uniform",
        "optimizer": "normalized-sgd",
        "learning_rate": 10 / 255,
        "steps": 120,
    },
    # ashwindcruz/style-transfer, style reconstruction (layers × seeds × sizes): eq. 4 over the first n layers, w = 1/n,
    # Adam 0.1 of 255, 10,000 steps, 224², uniform noise. TF-Slim's end points are rectified, whatever their names.
    "style-reconstruction-2018": {
        **_PLAIN,
        "method": "style-reconstruction",
        "style_layers": dict.fromkeys(_RELU_STYLE, 0.2),
        "style_weight": 1.0,
        "style_normalization": "paper",
        "init": "noise",
        "noise": 0.5,
        "noise_distribution": "uniform",
        "size": "224x224",
        "optimizer": "adam",
        "learning_rate": 0.1 / 255,
        "adam_betas": [0.9, 0.999],
        "steps": 10_000,
    },
    # crowsonkb/style-transfer-pytorch: Wasserstein-2, layer weights 256 … 1 of 341, replicate padding, Adam with an
    # average of iterates, sizes growing by the root of 2.
    "crowsonkb": {
        "content_layers": ["relu4_2"],
        "style_layers": {layer: 4.0 ** (4 - n) / 341 for n, layer in enumerate(_RELU_STYLE)},
        "content_weight": 0.015,
        "style_weight": 1.0,
        "style_statistic": ["wasserstein2"],
        "content_normalization": "mean",
        "style_normalization": "mean",
        "tv_weight": 2 / 255**2,
        "tv_norm": "nine-point",
        "pooling": "max",
        "padding": "replicate",
        "init": "content",
        "optimizer": "adam",
        "learning_rate": 0.02,
        "adam_betas": [0.9, 0.99],
        "average": 0.99,
        "size": 512,
        "scales": {"from": 128, "factor": 2**0.5},
        "steps": [1000, 500],
    },
}
"""Set-ups of others, each after its source."""

PRESETS = {**SCHEDULES, **PUBLISHED}
"""All of them by name."""

RESCALED = "the VGG-19 of Oxford, rescaled to mean activation 1 (encoder: vgg19)"
"""The network that ships."""
NETWORKS: dict[str, str] = {
    "gatys-2016": RESCALED,
    "gatys-notebook": _OXFORD,
    "neural-style": _OXFORD,
    "anishathalye": _OXFORD,
    "pytorch-tutorial": "torchvision's VGG-19 (encoder: vgg19-torchvision)",
    "chollet": _OXFORD,
    "google-tutorial": _OXFORD,
    "hvass": "the VGG-16 of Oxford (nearest at hand: encoder: vgg16-torchvision)",
    "style-reconstruction-2018": "a VGG fed with RGB in 0–255, nothing subtracted",
    "crowsonkb": "torchvision's VGG-19 (encoder: vgg19-torchvision)",
}
"""The network that each was published with: weights of terms mean little with another."""
