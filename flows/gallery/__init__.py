"""The gallery: a static site of an output's pictures and contact sheets, made from receipts alone."""

from flows.gallery.building import PAGE, build
from flows.gallery.publishing import Published, combine, publish

__all__ = ["PAGE", "Published", "build", "combine", "publish"]
