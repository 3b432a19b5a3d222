"""`busy_pickup`: as `idle_pickup`, while 2,000 jobs run in four processes that have slots left."""

from statistics import median

from tests.benchmarks.board import WARM_UP
from tests.benchmarks.contestants import OURS, PEERS, Contestant
from tests.benchmarks.rows.idle_pickup import GAP_SECONDS
from tests.benchmarks.rows.row import Figures, NotMeasured, Part, Row
from tests.benchmarks.trial import Bench

RUNNING = 2_000
PROCESSES, SLOTS = 4, 600
JOBS = 200
JOB_SECONDS = 45.0
"""Longer than it takes to start them all and to measure: none ends meanwhile."""
PATIENCE = 20.0


async def measure(bench: Bench, contestant: Contestant, _: int) -> Figures:
    jobs = RUNNING + JOBS + WARM_UP
    async with bench.trial(contestant, jobs, slots=SLOTS, seconds=JOB_SECONDS) as trial:
        await trial.run("bulk", str(RUNNING))
        await trial.start_workers(PROCESSES)
        board = trial.board
        board.start()
        if not await trial.until(lambda: 0 not in board.began[:RUNNING].tolist(), PATIENCE):
            raise NotMeasured(
                f"only {RUNNING - board.began[:RUNNING].tolist().count(0)} of {RUNNING} jobs were running"
            )
        await trial.settle()
        await trial.run("paced", str(JOBS), str(GAP_SECONDS), str(RUNNING))
        if not await trial.until(lambda: 0 not in board.began.tolist(), PATIENCE):
            raise NotMeasured(f"{board.began.tolist().count(0)} of {JOBS} jobs never began")
        if any(board.ended):
            raise NotMeasured("jobs had ended before the last one began")
        waits = [(board.began[job] - board.enqueued[job]) / 1e6 for job in range(RUNNING + WARM_UP, jobs)]
    return {"p50": median(waits), "max": max(waits)}


ROW = Row(
    "busy_pickup",
    (
        Part("p50", "ms (p50, beside 2,000 running)", "< 20 ms", lambda medians: medians.ours < 20),
        Part("max", "ms (longest of 200)", "< 20 ms", lambda medians: medians.ours < 20),
    ),
    (OURS,),
    measure,
    once=tuple(peer for peer in PEERS if peer.name in ("arq", "saq", "taskiq_list")),
)
