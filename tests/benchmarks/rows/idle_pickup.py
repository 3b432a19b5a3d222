"""`idle_pickup`: from just before the enqueue call to the first line of the job, on an idle worker."""

from statistics import median, quantiles

from tests.benchmarks.board import WARM_UP
from tests.benchmarks.contestants import ALL, Contestant
from tests.benchmarks.rows.row import Figures, Medians, NotMeasured, Part, Row
from tests.benchmarks.trial import Bench

JOBS = 200
GAP_SECONDS = 0.015
"""Long enough to be idle again, and random, so that nobody's polling is hit or missed by luck."""


async def measure(bench: Bench, contestant: Contestant, _: int) -> Figures:
    async with bench.trial(contestant, JOBS + WARM_UP) as trial:
        await trial.start_workers()
        trial.board.start()
        await trial.settle()
        await trial.run("paced", str(JOBS), str(GAP_SECONDS))
        began = trial.board.began
        if not await trial.until(lambda: 0 not in began.tolist(), 5):
            raise NotMeasured(f"{began.tolist().count(0)} of {len(began)} jobs never began")
        waits = [(began[job] - trial.board.enqueued[job]) / 1e6 for job in range(WARM_UP, len(began))]
    return {"p50": median(waits), "p99": quantiles(waits, n=100)[98]}


def p50_reached(medians: Medians) -> bool:
    return medians.ours <= 1.6 * medians.floor and all(medians.ours < peer for peer in medians.peers)


ROW = Row(
    "idle_pickup",
    (
        Part("p50", "ms (p50)", "≤ 1.6 × the bare BLMOVE loop and below every peer", p50_reached),
        Part("p99", "ms (p99)", "≤ 3 ms", lambda medians: medians.ours <= 3),
    ),
    ALL,
    measure,
)
