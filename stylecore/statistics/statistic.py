"""What every style statistic offers to the objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from torch import Tensor


class MeanAndCovariance(NamedTuple):
    """First and second moments of features over positions: all that some statistics know of them.

    Attributes:
        mean: shape (batch, channels), float32.
        covariance: the biased one, shape (batch, channels, channels), float32.
    """

    mean: Tensor
    covariance: Tensor

    @property
    def second(self) -> Tensor:
        """Mean of F Fᵀ, shape (batch, channels, channels): the Gram matrix averaged over positions."""
        return self.covariance + self.mean.unsqueeze(2) * self.mean.unsqueeze(1)


class Statistic(ABC):
    """A description of one layer's features that forgets where they are, and a distance between such descriptions.

    Features have shape (batch, channels, height, width) and any floating type; all reckoning is in float32. Weights
    are None or a mask of shape (batch, 1, height, width), float32, at least 0: how much a position counts. Rows of a
    batch do not know of each other. Pictures and styles may differ in height and width.

    Attributes:
        linear: whether the targets of several styles may be blended by weighted sums of their descriptions.
        matrix: whether it is a channels × channels statistic of Gram's kind, with an entry-wise squared difference, so
            that the normalisations of Gram losses make sense.
        summed: whether mean and covariance are all it needs to know, which may be summed up from parts of a picture.
    """

    linear: ClassVar[bool] = False
    matrix: ClassVar[bool] = False
    summed: ClassVar[bool] = False

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

    def describe_moments(self, moments: MeanAndCovariance) -> Tensor:
        """`describe` of the features that have these moments; of statistics that are `summed`."""
        raise NotImplementedError(f"{type(self).__name__} needs more than moments")

    def distance_of_moments(self, moments: MeanAndCovariance, target: Any) -> Tensor:
        """`distance` of the features that have these moments, differentiable by them; of those that are `summed`."""
        raise NotImplementedError(f"{type(self).__name__} needs more than moments")

    @abstractmethod
    def size(self, target: Tensor) -> Tensor:
        """The distance's own unit, shape (batch,), float32: about the distance of features that are 0 everywhere."""


class Moments(Statistic):
    """Base of the statistics that are compared entry by entry: the distance is the mean squared difference."""

    linear = True
    summed = True

    def distance(self, features: Tensor, target: Any, weights: Tensor | None = None, draw: int = 0) -> Tensor:  # noqa: ARG002 - nothing is drawn
        """Distance of descriptions."""
        return self.compared(self.describe(features, weights), target)

    def distance_of_moments(self, moments: MeanAndCovariance, target: Any) -> Tensor:
        """Distance of descriptions."""
        return self.compared(self.describe_moments(moments), target)

    def compared(self, description: Tensor, target: Tensor) -> Tensor:
        """Mean over entries of the squared difference of descriptions."""
        return (description - target).square().flatten(1).mean(1)

    def size(self, target: Tensor) -> Tensor:
        """Mean of squares of the target's entries."""
        return target.square().flatten(1).mean(1)
