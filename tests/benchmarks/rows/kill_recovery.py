"""`kill_recovery`: a worker is killed with 20 jobs running; when has the last of them begun again on another one?"""

import time

from tests.benchmarks.contestants import OURS, PEERS, Contestant
from tests.benchmarks.rows.row import Figures, NotMeasured, Part, Row
from tests.benchmarks.trial import Bench

JOBS = 20
JOB_SECONDS = 120.0
"""Longer than we watch: no job ends by itself."""
PATIENCE = 45.0


async def measure(bench: Bench, contestant: Contestant, _: int) -> Figures:
    async with bench.trial(contestant, JOBS, slots=JOBS, seconds=JOB_SECONDS) as trial:
        runs = trial.board.runs
        await trial.start_workers()
        trial.board.start()
        await trial.run("bulk", str(JOBS))
        if not await trial.until(lambda: min(runs) >= 1, PATIENCE):
            raise NotMeasured(f"only {sum(runs)} of {JOBS} jobs began")
        await trial.start_workers()
        killed = time.monotonic_ns()
        await trial.workers[0].stop()
        if not await trial.until(lambda: min(runs) >= 2, PATIENCE):
            again = sum(count >= 2 for count in runs)
            raise NotMeasured(f"{again} of {JOBS} jobs ran again within {PATIENCE:g} s")
        if max(runs) > 2:
            raise NotMeasured("a job ran three times")
        return {"recovery": (max(trial.board.began) - killed) / 1e9}


ROW = Row(
    "kill_recovery",
    (Part("recovery", "s", "all run again, once, within 12 s", lambda medians: medians.ours <= 12),),
    (OURS,),
    measure,
    once=PEERS,
    together=True,
)
