"""Style statistics: pure functions of one layer's feature maps, and the distances between them."""

from __future__ import annotations

from stylecore.statistics.histogram import Histogram
from stylecore.statistics.moments import CenteredGram, Gram, MeanStd, centered_gram, gram
from stylecore.statistics.mrf import MarkovRandomField
from stylecore.statistics.principal import PrincipalWasserstein2
from stylecore.statistics.sliced import SlicedWasserstein
from stylecore.statistics.statistic import Statistic
from stylecore.statistics.wasserstein import Wasserstein2

__all__ = ["STATISTICS", "Statistic", "centered_gram", "gram"]

STATISTICS: dict[str, Statistic] = {
    "gram": Gram(),
    "centered_gram": CenteredGram(),
    "mean_std": MeanStd(),
    "wasserstein2": Wasserstein2(),
    "principal_wasserstein2": PrincipalWasserstein2(),
    "sliced_wasserstein": SlicedWasserstein(),
    "histogram": Histogram(),
    "mrf": MarkovRandomField(),
}
"""Statistics by the name that `Settings.style_statistic` gives them."""
