"""What a row is: who is measured, how, and what each of its figures has to reach."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.contestants import Contestant
from tests.benchmarks.trial import Bench

Figures = dict[str, float]
"""By the name of a part."""


class NotMeasured(RuntimeError):  # noqa: N818 - it is what happened
    """The contestant did not do what the row measures; says in a few words what it did."""


@dataclass(frozen=True)
class Medians:
    """The medians of one part so far, by contestant, and those of the rows before."""

    part: Mapping[str, float]
    rows: Mapping[tuple[str, str], Mapping[str, float]]

    @property
    def ours(self) -> float:
        """NaN, which reaches nothing, when we failed."""
        return self.part.get("ours", float("nan"))

    @property
    def floor(self) -> float:
        return self.part.get("floor_list", float("nan"))

    @property
    def peers(self) -> list[float]:
        """Those that were measured."""
        return [value for name, value in self.part.items() if name != "ours" and not name.startswith("floor")]


@dataclass(frozen=True)
class Part:
    """One figure of a row."""

    name: str
    unit: str
    to_reach: str
    reached: Callable[[Medians], bool]


@dataclass(frozen=True)
class Row:
    """`contestants` are measured in every round, `once` each in one of the rounds: they are there for comparison only.

    `together`: a row of waiting, not of work, whose contestants are measured at the same time.
    `alone`: its rounds come after those of the other rows, which its data would burden. `after`: rows it is judged by.
    """

    name: str
    parts: tuple[Part, ...]
    contestants: Sequence[Contestant]
    measure: Callable[[Bench, Contestant, int], Awaitable[Figures]]
    once: Sequence[Contestant] = ()
    together: bool = False
    alone: bool = False
    after: tuple[str, ...] = ()

    def round(self, number: int, rounds: int) -> list[Contestant]:
        """Who is measured in this round, each time in another order."""
        turn = self.once if self.together and number == 0 else self.once[number::rounds] if not self.together else ()
        taking = [*self.contestants, *turn]
        first = number * len(taking) // rounds
        return taking[first:] + taking[:first]
