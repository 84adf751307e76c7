"""Draws as they came out, against the odds that are disclosed, pity included. The statistics: `croupier.chi_square`."""

from croupier.chi_square import Compared, Counts, Matrix
from croupier.gacha.pity import Counters, Weights, draw_weights
from croupier_schemas.economy import RARITIES, Banner
from croupier_schemas.records import GACHA, GACHA_DRAW


class Observed:
    """Counts of one banner under one version of the economy; of rarities as drawn, before stock replaces them."""

    def __init__(self, banner: Banner) -> None:
        self._banner = banner
        self._weights: dict[Counters, Weights] = {}
        self._counts = Counts(len(RARITIES))
        self.pulls = 0

    def add(self, result: bytes) -> None:
        """Count the draws of a pull from the result of its event. Raises ValueError where that is another layout."""
        seen = GACHA.unpack(result)
        since = [seen.since_legendary, seen.since_epic, seen.since_rare]
        for start in range(GACHA.size, len(result), GACHA_DRAW.size):
            draw = GACHA_DRAW.unpack(result, start)
            self.add_draws((since[0], since[1], since[2]), (draw.downgraded_from or draw.rarity) - 1)
            since = [0 if index == draw.rarity - 1 else count + 1 for index, count in enumerate(since)]
        self.pulls += 1

    def add_draws(self, found: Counters, drawn: int, draws: int = 1) -> None:
        """Count draws that found these pity counters; `drawn` is the index of the rarity."""
        weights = self._weights.get(found)
        if weights is None:
            weights = self._weights[found] = draw_weights(self._banner, found)
        self._counts.add(weights, drawn, draws)

    @property
    def draws(self) -> int:
        return self._counts.draws

    @property
    def counts(self) -> list[int]:
        """How often each rarity was drawn."""
        return self._counts.counts

    @property
    def expected(self) -> list[float]:
        """How often each rarity was to be expected."""
        return self._counts.expected

    @property
    def covariance(self) -> Matrix:
        """Covariance of the counts of two rarities."""
        return self._counts.covariance

    def compared(self) -> Compared:
        """Test the counts against the disclosed odds."""
        return self._counts.compared()
