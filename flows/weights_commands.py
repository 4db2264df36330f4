"""The commands `stylepress weights …`."""

from __future__ import annotations

from cyclopts import App

from flows.console import Exit, complain, say
from stylecore.errors import StylepressError

weights_app = App(name="weights", help="The encoders' weights.")


@weights_app.command(name="list")
def list_weights() -> int:
    """List the encoders and where their weights are."""
    from stylecore import weights

    for name in weights.known():
        source = weights.resolve(name)
        where = (
            "ships with stylepress" if name == "vgg19" else str(source.path or "not here yet: stylepress weights fetch")
        )
        say(f"{name:20} {source.digest[:27]:28} {where}")
    return Exit.OK


@weights_app.command(name="fetch")
def fetch_weights(*names: str) -> int:
    """Download weights into the cache, checked by their hash.

    Example: stylepress weights fetch vgg16-torchvision

    Args:
        names: encoders; by default all that can be downloaded.
    """
    from stylecore import weights

    for name in names or tuple(weights.PUBLISHED):
        say(f"{name}: {weights.fetch(weights.resolve(name)).path}")
    return Exit.OK


@weights_app.command(name="verify")
def verify_weights() -> int:
    """Check the digest and layers of all weights that are on this machine."""
    from stylecore import weights

    wrong = 0
    for name in weights.known():
        try:
            source = weights.resolve(name)
            if source.path is None:
                say(f"{name}: not here")
                continue
            say(f"{name}: ok, {len(weights.load(source)) // 2} convolutions")
        except StylepressError as error:
            wrong += 1
            complain(f"{name}: {error}")
    return Exit.WRONG_ENVIRONMENT if wrong else Exit.OK
