"""`drain` and `drain_4`: 10,000 no-op jobs lie in the queue; how many a second begin, in one or four processes."""

from functools import partial

from tests.benchmarks.contestants import ALL, FLOOR, OURS, PEERS, STREAM, Contestant
from tests.benchmarks.rows.row import Figures, Medians, NotMeasured, Part, Row
from tests.benchmarks.trial import Bench

JOBS = 10_000
SECONDS = 5.0
"""Whoever is not through by then is judged by what began until then."""


async def measure(bench: Bench, contestant: Contestant, _: int, *, processes: int) -> Figures:
    async with bench.trial(contestant, JOBS) as trial:
        await trial.run("bulk", str(JOBS))
        await trial.start_workers(processes)
        board = trial.board
        start = board.start()
        await trial.until(lambda: 0 not in board.began.tolist(), SECONDS)
        began = [time for time in board.began.tolist() if time]
    if not began:
        raise NotMeasured(f"no job began within {SECONDS:g} s")
    return {"rate": len(began) / (max(began) - start) * 1e9}


def drain_reached(medians: Medians) -> bool:
    stock = medians.part.get("arq", float("nan"))
    return medians.ours >= 12 * stock and all(medians.ours > peer for peer in medians.peers)


def four_reached(medians: Medians) -> bool:
    return medians.ours >= 1.3 * medians.rows["drain", "rate"].get("ours", float("nan"))


ROW = Row(
    "drain",
    (Part("rate", "jobs/s", "≥ 12 × stock arq and above every peer", drain_reached),),
    ALL,
    partial(measure, processes=1),
)
FOUR = Row(
    "drain_4",
    (Part("rate", "jobs/s", "≥ 1.3 × one process (row drain)", four_reached),),
    (FLOOR, STREAM, OURS),
    partial(measure, processes=4),
    once=PEERS,
    after=("drain",),
)
