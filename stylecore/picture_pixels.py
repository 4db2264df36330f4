"""An opened picture's pixels as float sRGB with alpha aside, whatever its mode, its depth and its colour profile."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

Floats: TypeAlias = NDArray[np.float32]

_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")
_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANAR_CONFIGURATION, _SAMPLE_FORMAT = 258, 262, 284, 339
_MIN_IS_WHITE, _SEPARATE_PLANES, _SIGNED = 0, 2, 2

# Pillow keeps the high byte of 16-bit colours. Decoded with the bytes swapped it keeps the low one.
_SWAPPED = {f"{bands};16{a}": f"{bands};16{b}" for bands in ("RGB", "RGBA") for a, b in ("BL", "LB")}
_SWAPPED |= {f"{bands};16N": f"{bands};16{'B' if sys.byteorder == 'little' else 'L'}" for bands in ("RGB", "RGBA")}

# Pillow stretches the levels of 2 and 4 bits to 8 but not the level that a PNG declares transparent.
_STRETCHED = {"L;2": 85, "L;4": 17}

# EXIF orientation → (rows and columns exchanged, then rows reversed, then columns reversed); Exif 2.32, section 4.6.4.
_TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def decode(image: ImageFile, reopen: Callable[[], ImageFile]) -> tuple[Floats, Floats | None]:
    """Decode a picture's first frame.

    8-bit and palette pictures, CMYK and Lab are converted to sRGB by their ICC profile, perceptual intent; a profile
    that is broken or for other colours is ignored. 16-bit grey and 16-bit colours keep their precision, the latter
    unless they have a profile: conversion is in 8 bits. 32-bit integers and floats have no agreed white: it is taken
    to be the smallest of 1 (floats only), 255, 65535 and 2³² − 1 that no pixel exceeds.

    Args:
        image: the picture, not yet decoded.
        reopen: opens the same picture a second time: 16-bit colours are decoded twice.

    Returns:
        Colours, shape (height, width, 3), and alpha, shape (height, width), or None where the picture has none;
        sRGB in 0..1, not yet turned by the EXIF orientation (TIFFs are).

    Raises:
        Exception: of whatever type the decoder has for damaged data; ValueError for pixels that are not numbers.
    """
    _refuse_separate_16_bit_planes(image)
    rawmode = next((_rawmode(tile.args) for tile in image.tile), "")
    image.load()
    if rawmode in _STRETCHED and "transparency" in image.info:
        image.info["transparency"] *= _STRETCHED[rawmode]
    if image.mode in _GREY:
        return _grey(image)
    if rawmode in _SWAPPED:
        return _deep_colours(image, reopen())
    profile = image.info.get("icc_profile")
    if image.mode in ("CMYK", "LAB"):
        return _unit(_to_srgb(image, profile) or image.convert("RGB")), None
    key = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple):
        pixels = np.asarray(image)
        return _unit(_to_srgb(image, profile) or image), (pixels != np.array(key)).any(axis=2).astype(np.float32)
    flat = image.convert("RGBA" if image.has_transparency_data else "RGB")
    colours = flat.convert("RGB")
    alpha = _unit(flat.getchannel("A")) if flat.mode == "RGBA" else None
    return _unit(_to_srgb(colours, profile) or colours), alpha


def upright(array: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Turn an array, shape (height, width) or (height, width, channels), as an EXIF orientation, 1 to 8, asks for."""
    exchange, rows, columns = _TURNS.get(orientation, (False, False, False))
    if exchange:
        array = array.swapaxes(0, 1)
    return np.ascontiguousarray(array[:: -1 if rows else 1, :: -1 if columns else 1])


def _unit(image: Image.Image) -> Floats:
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _grey(image: ImageFile) -> tuple[Floats, Floats | None]:
    """Grey of any depth; its profile is sampled at 256 levels and interpolated, so that 16 bits stay 16 bits."""
    alpha, key = None, image.info.get("transparency")
    flat: Image.Image = image
    if image.mode in ("LA", "La"):
        flat, opacity = image.convert("LA").split()
        alpha = _unit(opacity)
    elif image.mode == "1":
        flat = image.convert("L")
    levels = np.asarray(flat)
    if image.mode == "I" and _bits(image, 16) == 32 and _tag(image, _SAMPLE_FORMAT) != _SIGNED:
        levels = levels.view(np.uint32)
    white = _white(image, levels)
    if isinstance(key, int):
        alpha = (levels != key).astype(np.float32)
    values = np.clip(levels.astype(np.float32) / np.float32(white), 0, 1)
    if levels.dtype != np.uint8 and _tag(image, _PHOTOMETRIC) == _MIN_IS_WHITE:  # Pillow inverts those of 8 bits
        values = 1 - values
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    converted = _to_srgb(ramp, image.info.get("icc_profile"), exact=True)
    if converted is None:
        return np.repeat(values[:, :, None], 3, axis=2), alpha
    curves = _unit(converted)[0]
    positions = np.linspace(0, 1, 256)
    return np.stack([np.interp(values, positions, curve) for curve in curves.T], axis=2).astype(np.float32), alpha


def _white(image: ImageFile, levels: NDArray[np.generic]) -> float:
    """The number that stands for white in a grey picture."""
    if levels.dtype == np.uint8:
        return 255
    if levels.dtype.itemsize == 2:
        return float(2 ** _bits(image, 16) - 1)
    if _bits(image, 32) == 16:
        return 2**15 - 1
    top = float(levels.max())
    if not np.isfinite(levels).all():
        raise ValueError("it has pixels that are not finite numbers")
    candidates = (1, 255, 2**16 - 1, 2**32 - 1) if levels.dtype.kind == "f" else (255, 2**16 - 1, 2**32 - 1)
    return next((white for white in candidates if top <= white), top)


def _deep_colours(image: ImageFile, twin: ImageFile) -> tuple[Floats, Floats | None]:
    """16-bit colours, put together from a picture decoded for its high bytes and its twin decoded for the low ones."""
    twin.tile = [tile._replace(args=_swapped(tile.args)) for tile in twin.tile]
    twin.load()
    levels = np.asarray(image).astype(np.uint16) << 8 | np.asarray(twin)
    key = image.info.get("transparency")
    alpha = None
    if image.mode == "RGBA":
        alpha = levels[:, :, 3].astype(np.float32) / np.float32(65535)
    elif isinstance(key, tuple):
        alpha = (levels != np.array(key)).any(axis=2).astype(np.float32)
    colours = levels[:, :, :3].astype(np.float32) / np.float32(65535)
    rounded = Image.fromarray(np.rint(colours * 255).astype(np.uint8))
    converted = _to_srgb(rounded, image.info.get("icc_profile"))
    return (colours if converted is None else _unit(converted)), alpha


def _to_srgb(image: Image.Image, profile: object, *, exact: bool = False) -> Image.Image | None:
    """Convert an L, RGB or CMYK picture; None where there is no profile that can be used with it.

    `exact` is for few pixels: ten times slower, and the dark end of a linear grey is not off by up to 10 levels of 255.
    """
    if not isinstance(profile, bytes):
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(source.profile.xcolor_space.strip())
        if image.mode == "L" and mode == "RGB":
            image = image.convert("RGB")
        if image.mode != mode:
            return None
        flags = ImageCms.Flags.NOOPTIMIZE if exact else ImageCms.Flags.NONE
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB", flags=flags)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _refuse_separate_16_bit_planes(image: ImageFile) -> None:
    """Pillow takes the bytes of uncompressed 16-bit planes for 8-bit ones, and says nothing."""
    raw = any(tile.codec_name == "raw" for tile in image.tile)
    if raw and _tag(image, _PLANAR_CONFIGURATION) == _SEPARATE_PLANES and _bits(image, 8) > 8:
        raise ValueError("16-bit colours in separate uncompressed planes are not supported: save it interleaved")


def _rawmode(args: tuple[object, ...] | str | None) -> str:
    return str(args[0] if isinstance(args, tuple) and args else args)


def _swapped(args: tuple[object, ...] | str | None) -> tuple[object, ...] | str | None:
    if isinstance(args, tuple):
        return (_SWAPPED.get(str(args[0]), args[0]), *args[1:])
    return _SWAPPED.get(str(args), args)


def _bits(image: ImageFile, default: int) -> int:
    bits = _tag(image, _BITS_PER_SAMPLE)
    return bits if isinstance(bits, int) else default


def _tag(image: ImageFile, number: int) -> object:
    """The first value of a TIFF's tag; None where it has none, and in other formats."""
    if not isinstance(image, TiffImageFile):
        return None
    value: object = image.tag_v2.get(number)
    return value[0] if isinstance(value, tuple) and value else value
