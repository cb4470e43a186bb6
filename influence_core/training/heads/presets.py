"""Sizes of a run: how many heads, how wide, and how fast they are trained.

The default estimator reads only the flipped side's probabilities, and a *lean* run gives it those
as well as a standard one in a fraction of the time (benchmarks/RESULTS.md); its flipped side finds
wrong labels a little worse. The turn-over score itself wants members and width. `workflow.train`
and the benchmarks call this.
"""

from dataclasses import dataclass

from influence_core.errors import DataError
from influence_core.training.heads.types import HeadTraining


@dataclass(frozen=True)
class Preset:
    """Shape of a run and its steps; `batch_times` multiplies the batch that rows would get."""

    members: int
    width: int
    learning_rate: float
    batch_times: int
    good_for: str

    def training(self, rows: int, epochs: int | None = None, seed: int = 0) -> HeadTraining:
        """Settings for so many rows; `epochs=None` stops by itself."""
        usual = HeadTraining()
        return HeadTraining(
            epochs=epochs,
            batch=0 if self.batch_times == 1 else self.batch_times * usual.batch_for(rows),
            learning_rate=self.learning_rate,
            seed=seed,
        )


STANDARD = "standard"
PRESETS: dict[str, Preset] = {
    "lean": Preset(8, 32, 2e-3, 2, "a first look: flipped-residual ridge, and suspicious labels"),
    STANDARD: Preset(16, 256, 5e-4, 1, "everything, the turn-over score with its error included"),
    "large": Preset(16, 1024, 5e-4, 1, "turn-over scores with less noise, at four times the time"),
}


def preset(name: str) -> Preset:
    """A size by its name.

    Raises:
        DataError: there is none of this name.
    """
    if name not in PRESETS:
        raise DataError(f"There is no size '{name}' of a run; there are {list(PRESETS)}.")
    return PRESETS[name]
