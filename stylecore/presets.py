"""Published set-ups as sets of defaults. A preset leaves the encoder alone: name the network it was published with."""

from __future__ import annotations

from typing import Any

_RELU_STYLE = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]

PRESETS: dict[str, dict[str, Any]] = {
    # Gatys, Ecker, Bethge 2016: conv4_2 against conv1_1 … conv5_1, average pooling, eq. 1 and 4, w_l = 1/5,
    # alpha/beta = 1e-3, white noise start, 512 px.
    "gatys-2016": {
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
        "size": 512,
        "scales": 1,
    },
    # leongatys/PytorchNeuralStyleTransfer, the notebook's low-resolution pass: weights 1e3/C², L-BFGS, content start.
    "gatys-notebook": {
        "content_layers": ["relu4_2"],
        "style_layers": _RELU_STYLE,
        "content_weight": 1.0,
        "style_weight": 1e3,
        "content_normalization": "mean",
        "style_normalization": "channels",
        "tv_weight": 0.0,
        "pooling": "max",
        "padding": "zero",
        "init": "content",
        "size": 512,
        "steps": 500,
        "history_size": 100,
        "scales": 1,
    },
    # ProGamerGov/neural-style-pt: 5 · MSE and 1e2 · MSE(F Fᵀ / (C·H·W)) per layer, absolute total variation,
    # noise · 0.001 in 0–255, history 100.
    "neural-style": {
        "content_layers": ["relu4_2"],
        "style_layers": _RELU_STYLE,
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
        "size": 512,
        "steps": 1000,
        "history_size": 100,
        "scales": 1,
    },
}
