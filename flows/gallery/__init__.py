"""The gallery: a static site of an output's pictures and contact sheets, made from receipts alone."""

from flows.gallery.building import PAGE, build
from flows.gallery.publishing import publish

__all__ = ["PAGE", "build", "publish"]
