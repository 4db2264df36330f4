"""Settings that are right one by one and contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stylecore import tiling
from stylecore.architectures import convolutions_of, layers_of
from stylecore.errors import SettingError, did_you_mean
from stylecore.methods import METHODS
from stylecore.schedule import longest_side

if TYPE_CHECKING:
    from stylecore.settings import Settings

MATRICES = ("gram", "centered_gram")
"""Statistics that are matrices of channels × channels, for which the normalisations of Gram matrices are defined."""
_OF_MATRICES = ("channels", "paper", "positions", "pixels")


def check(settings: Settings) -> None:
    """Look for settings that contradict each other.

    Raises:
        SettingError: with the setting to change, what it contradicts, and what would be accepted.
    """
    for find in (_layers, _start, _pyramid, _normalization, _balance, _color, _animation, _tile):
        find(settings)


def _layers(settings: Settings) -> None:
    offered = layers_of(settings.encoder)
    for name in ("content_layers", "style_layers"):
        for layer in getattr(settings, name):
            if layer not in offered:
                cut = settings.encoder == "vgg19" and layer in layers_of("vgg19-torchvision")
                near = "; choose encoder: vgg19-torchvision" if cut else did_you_mean(layer, offered)
                message = f"{name}: the encoder has no layer {layer!r}{near} (it has {offered[0]} … {offered[-1]})"
                raise SettingError(name, message)


def _start(settings: Settings) -> None:
    method = METHODS[settings.method]
    used = {"content": method.needs_content, "style": method.needs_style}
    named = [settings.init] if isinstance(settings.init, str) else list(settings.init)
    for start in named:
        if not used.get(start, True):
            accepted = ", ".join(name for name in ("content", "style") if used[name])
            raise SettingError(
                "init",
                f"init: {settings.method} uses no {start} picture to start from; expected noise, grey, {accepted} or a "
                "picture",
            )


def _pyramid(settings: Settings) -> None:
    longest, scales = longest_side(settings.size), settings.scales
    side = scales[-1] if isinstance(scales, list) else 0  # a rule that starts larger has one size, the picture's
    if longest and side > longest:
        raise SettingError(
            "scales", f"scales: {side} is larger than the picture (size: {settings.size}); expected at most {longest}"
        )


def _normalization(settings: Settings) -> None:
    others = [name for name in settings.style_statistic if name not in MATRICES]
    if settings.style_normalization in _OF_MATRICES and others and METHODS[settings.method].needs_style:
        raise SettingError(
            "style_normalization",
            f"style_normalization: {settings.style_normalization} is defined for {' and '.join(MATRICES)} only, and "
            f"style_statistic is {others[0]}; expected target or mean",
        )


def _balance(settings: Settings) -> None:
    if settings.balance != "none" and settings.optimizer == "lbfgs":
        raise SettingError(
            "balance",
            f"balance: {settings.balance} changes the gradient and not the loss, which L-BFGS cannot follow; expected "
            "balance: none, or optimizer: adam, sgd or normalized-sgd",
        )
    if settings.balance == "layers" and settings.precision == "fp16":
        raise SettingError(
            "precision",
            "precision: fp16 cannot hold the gradients that balance: layers makes; expected auto, bf16 or fp32",
        )
    if settings.balance == "terms" and settings.tolerance:
        raise SettingError(
            "tolerance",
            "tolerance: the loss never falls with balance: terms, which divides each term by its own value; expected "
            "tolerance: 0, or balance: none or layers",
        )


def _color(settings: Settings) -> None:
    method = METHODS[settings.method]
    accepted = ("style", "content") if method.needs_content else ("style",)
    if not (method.needs_content and method.needs_style) and settings.color not in accepted:
        missing = "style" if method.needs_content else "content"
        raise SettingError(
            "color",
            f"color: {settings.color} needs a {missing} picture, and {settings.method} uses none; expected "
            f"{' or '.join(accepted)}",
        )


def _animation(settings: Settings) -> None:
    if settings.animation and not settings.snapshots:
        raise SettingError(
            "animation", f"animation: {settings.animation} shows snapshots, and there are none; set snapshots too"
        )


def _tile(settings: Settings) -> None:
    if not isinstance(settings.tile, int):
        return
    least = tiling.least_tile(convolutions_of(settings.encoder), settings.layers())
    if settings.tile < least:
        deepest = max(settings.layers(), key=layers_of(settings.encoder).index)
        raise SettingError(
            "tile",
            f"tile: {settings.tile} pixels are too few for layers down to {deepest}, which see far beyond such a tile; "
            f"expected at least {least}, auto or off",
        )
    if settings.balance == "layers":
        raise SettingError(
            "tile",
            f"tile: {settings.tile} does not go with balance: layers, which weighs each layer's gradient as a whole; "
            "expected tile: off, or balance: none or terms",
        )
