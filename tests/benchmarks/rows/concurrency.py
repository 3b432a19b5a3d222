"""`concurrency`: jobs of two seconds that only wait, so that the makespan shows every slot that stood empty."""

from dataclasses import dataclass

from tests.benchmarks.contestants import FLOOR, OURS, PEERS, Contestant
from tests.benchmarks.rows.row import Figures, Medians, NotMeasured, Part, Row
from tests.benchmarks.trial import Bench

JOB_SECONDS = 2.0


@dataclass(frozen=True)
class Shape:
    name: str
    processes: int
    slots: int
    jobs: int

    @property
    def ideal(self) -> float:
        """Seconds."""
        return self.jobs / (self.processes * self.slots) * JOB_SECONDS

    @property
    def patience(self) -> float:
        """Seconds after which a contestant has failed; well above what any has needed."""
        return 2 * self.ideal + 8


ONE = Shape("one", processes=1, slots=1000, jobs=1000)
FLEET = Shape("fleet", processes=8, slots=20, jobs=800)


async def makespan(bench: Bench, contestant: Contestant, shape: Shape) -> float:
    """Seconds from the start of workers that are ready to the end of the last job."""
    async with bench.trial(contestant, shape.jobs, slots=shape.slots, seconds=JOB_SECONDS) as trial:
        await trial.run("bulk", str(shape.jobs))
        await trial.start_workers(shape.processes)
        board = trial.board
        start = board.start()
        if not await trial.until(lambda: 0 not in board.ended.tolist(), shape.patience):
            raise NotMeasured(
                f"{board.ended.tolist().count(0)} of {shape.jobs} jobs not done after {shape.patience:g} s"
            )
        return (max(board.ended) - start) / 1e9


async def measure(bench: Bench, contestant: Contestant, _: int) -> Figures:
    return {shape.name: await makespan(bench, contestant, shape) for shape in (ONE, FLEET)}


def _part(shape: Shape, words: str) -> Part:
    def reached(medians: Medians) -> bool:
        return medians.ours <= 1.03 * shape.ideal

    return Part(shape.name, f"s ({words})", f"≤ 1.03 × ideal ({1.03 * shape.ideal:.2f} s)", reached)


ROW = Row(
    "concurrency",
    (
        _part(ONE, "1,000 jobs of 2 s, one process"),
        _part(FLEET, "800 jobs of 2 s, 8 processes of 20 slots"),
    ),
    (FLOOR, OURS),
    measure,
    once=PEERS,
)
