"""stylecore: the stylization core, pictures in, pictures out.

    from stylecore import Cell, Settings, render
    for result in render([Cell("photo.jpg", ("painting.jpg",), Settings(size=384))], device="cpu"):
        result.save("out.png")

Names are loaded when they are first used, so that `Settings` can be read without waiting for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stylecore.errors import PictureError, RenderError, SettingError, StylepressError, WeightsError
    from stylecore.rendering import Cell, Checkpoints, Progress, Result, Snapshot, Style, render, scored
    from stylecore.settings import Settings

_HOMES = {
    "Settings": "settings",
    "Cell": "rendering",
    "Checkpoints": "rendering",
    "Progress": "rendering",
    "Result": "rendering",
    "Snapshot": "rendering",
    "Style": "rendering",
    "render": "rendering",
    "scored": "rendering",
    "StylepressError": "errors",
    "SettingError": "errors",
    "PictureError": "errors",
    "WeightsError": "errors",
    "RenderError": "errors",
}
_ROOMS = frozenset(
    [
        "architectures",
        "checkpoint",
        "color",
        "constants",
        "encoder",
        "errors",
        "images",
        "masks",
        "measures",
        "methods",
        "objective",
        "optimize",
        "presets",
        "rendering",
        "results",
        "schedule",
        "score_names",
        "scores",
        "settings",
        "statistics",
        "values",
        "variation",
        "weights",
    ]
)

__all__ = [
    "Cell",
    "Checkpoints",
    "PictureError",
    "Progress",
    "RenderError",
    "Result",
    "SettingError",
    "Settings",
    "Snapshot",
    "Style",
    "StylepressError",
    "WeightsError",
    "render",
    "scored",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"stylecore.{_HOMES[name]}"), name)
    if name in _ROOMS:
        return importlib.import_module(f"stylecore.{name}")
    raise AttributeError(f"module 'stylecore' has no attribute {name!r}")
