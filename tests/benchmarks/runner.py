"""Runs rows: three rounds, each contestant at most once a round; what fails is kept with its reason."""

import asyncio
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.benchmarks.contestants import ALL, Contestant
from tests.benchmarks.rows import ROWS
from tests.benchmarks.rows.row import Figures, Medians, NotMeasured, Part, Row
from tests.benchmarks.trial import Bench

ROUNDS = 3


@dataclass
class Outcome:
    """What one contestant's rounds of one row brought."""

    figures: list[Figures] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def values(self, part: Part) -> list[float]:
        """None when a round failed: a median over the lucky rounds would flatter."""
        return [] if self.failures else [figures[part.name] for figures in self.figures]


Outcomes = dict[str, dict[str, Outcome]]
"""By row, then by contestant."""


def chosen(names: Iterable[str]) -> list[Row]:
    """These rows, all when none is named, and the rows that they are judged by. Raises ValueError for unknown names."""
    known = {row.name: row for row in ROWS}
    wanted = {name for name in names if name}
    if unknown := wanted - known.keys():
        raise ValueError(f"no row {', '.join(sorted(unknown))}; rows: {', '.join(known)}")
    wanted |= {needed for name in wanted for needed in known[name].after}
    return [row for row in ROWS if not wanted or row.name in wanted]


async def run(bench: Bench, rows: Sequence[Row], missing: Mapping[str, str]) -> Outcomes:
    """Measure; `missing` says which packages could not be installed, and why."""
    outcomes: Outcomes = {row.name: {} for row in rows}
    for alone in (False, True):
        group = [row for row in rows if row.alone is alone]
        for number in range(ROUNDS):
            for row in group:
                await _round(bench, row, number, missing, outcomes[row.name])
    return outcomes


async def _round(bench: Bench, row: Row, number: int, missing: Mapping[str, str], outcomes: dict[str, Outcome]) -> None:
    began = time.monotonic()

    async def one(contestant: Contestant) -> None:
        outcome = outcomes.setdefault(contestant.name, Outcome())
        try:
            if contestant.package and contestant.package in missing:
                raise NotMeasured(missing[contestant.package])
            figures = await row.measure(bench, contestant, number)
        except Exception as error:  # whatever a contestant does wrong is its result, not the end of the run
            words = (" ".join(str(error).split()) or type(error).__name__)[:200]
            outcome.failures.append(words)
            print(f"    {contestant.name:14} {words}", flush=True)
        else:
            outcome.figures.append(figures)
            values = ", ".join(f"{name} {_digits(value):,g}" for name, value in figures.items())
            print(f"    {contestant.name:14} {values}", flush=True)

    print(f"round {number + 1} of {ROUNDS}: {row.name}", flush=True)
    contestants = row.round(number, ROUNDS)
    if row.together:
        await asyncio.gather(*(one(contestant) for contestant in contestants))
    else:
        for contestant in contestants:
            await one(contestant)
    print(f"    took {time.monotonic() - began:.0f} s", flush=True)


def judge(rows: Sequence[Row], outcomes: Outcomes) -> list[dict[str, object]]:
    """The entries of results.json: one for each figure of each row."""
    medians: dict[tuple[str, str], dict[str, float]] = {}
    entries: list[dict[str, object]] = []
    for row in rows:
        for part in row.parts:
            by_name = outcomes[row.name]
            values = {name: outcome.values(part) for name, outcome in by_name.items()}
            medians[row.name, part.name] = {name: median(taken) for name, taken in values.items() if taken}
            shown = {name: _shown(values[name], outcome.failures) for name, outcome in by_name.items()}
            order = [contestant.name for contestant in ALL if contestant.name in shown]
            entries.append(
                {
                    "row": row.name,
                    "unit": part.unit,
                    "ours": shown["ours"],
                    "floor": shown.get("floor_list"),
                    "peers": {name: shown[name] for name in order if name not in ("ours", "floor_list")},
                    "to_reach": part.to_reach,
                    "reached": part.reached(Medians(medians[row.name, part.name], medians)),
                }
            )
    return entries


def _shown(values: Sequence[float], failures: Sequence[str]) -> dict[str, object]:
    if not values:
        return {"failed": failures[-1]}
    return {
        "median": _digits(median(values)),
        "spread": [_digits(min(values)), _digits(max(values))],
        "rounds": len(values),
    }


def _digits(value: float) -> float:
    """Four significant digits."""
    return round(value, max(0, 3 - math.floor(math.log10(abs(value))))) if value else value
