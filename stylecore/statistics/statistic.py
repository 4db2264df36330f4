"""What every style statistic offers to the objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor


class Statistic(ABC):
    """A description of one layer's features that forgets where they are, and a distance between such descriptions.

    Features have shape (batch, channels, height, width) and any floating type; all reckoning is in float32. Weights
    are None or a mask of shape (batch, 1, height, width), float32, at least 0: how much a position counts. Rows of a
    batch do not know of each other. Pictures and styles may differ in height and width.

    Attributes:
        linear: whether the targets of several styles may be blended by weighted sums of their descriptions.
        matrix: whether it is a channels × channels statistic of Gram's kind, with an entry-wise squared difference, so
            that the normalisations of Gram losses make sense.
    """

    linear: ClassVar[bool] = False
    matrix: ClassVar[bool] = False

    @abstractmethod
    def describe(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """Target that a style's features set, shape (batch, …), float32; the same shape for every mask."""

    def prepare(self, target: Tensor) -> Any:
        """What `distance` needs of a target, reckoned once instead of at each step; `distance` takes either."""
        return target

    @abstractmethod
    def distance(self, features: Tensor, target: Any, weights: Tensor | None = None, draw: int = 0) -> Tensor:
        """Distance of each picture from its target, shape (batch,), float32, differentiable by the features.

        Args:
            features: of the pictures.
            target: of `describe` or `prepare`, a row for each picture.
            weights: the pictures' mask; a row of zeros makes a constant distance.
            draw: seeds what is drawn at random; to be changed with each evaluation. The same on every device.
        """

    @abstractmethod
    def size(self, target: Tensor) -> Tensor:
        """The distance's own unit, shape (batch,), float32: about the distance of features that are 0 everywhere."""


class Moments(Statistic):
    """Base of the statistics that are compared entry by entry: the distance is the mean squared difference."""

    linear = True

    def distance(self, features: Tensor, target: Any, weights: Tensor | None = None, draw: int = 0) -> Tensor:  # noqa: ARG002 - nothing is drawn
        """Mean over entries of the squared difference of descriptions."""
        difference: Tensor = self.describe(features, weights) - target
        return difference.square().flatten(1).mean(1)

    def size(self, target: Tensor) -> Tensor:
        """Mean of squares of the target's entries."""
        return target.square().flatten(1).mean(1)
