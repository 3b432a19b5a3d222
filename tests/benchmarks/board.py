"""Where job bodies say when they began and ended: one small file that every process maps into its memory.

Only the standard library, because the peers' environments import it too. Times are nanoseconds of CLOCK_MONOTONIC,
which all processes of a machine share. A mark costs well under a microsecond and no system call but the clock's.
"""

import mmap
import os
import time
from pathlib import Path

HEADER = 8
"""Numbers before the jobs' own; the first says whether workers may begin."""
FIELDS = 4
WARM_UP = 10
"""Jobs before the paced ones, for connections and scripts to be in place; not counted."""

VARIABLE = "BENCH_BOARD"


class Board:
    """`enqueued`, `began` (the last time), `ended` and `runs` of each job, by number; 0 where it has not happened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        numbers = memoryview(self._map).cast("q")
        self.jobs = (len(numbers) - HEADER) // FIELDS
        fields = [numbers[HEADER + self.jobs * i : HEADER + self.jobs * (i + 1)] for i in range(FIELDS)]
        self._header = numbers[:HEADER]
        self.enqueued, self.began, self.ended, self.runs = fields

    @classmethod
    def create(cls, path: Path, jobs: int) -> "Board":
        """A fresh one for this many jobs."""
        ready = cls._ready(path)
        ready.mkdir(parents=True)
        path.write_bytes(bytes(8 * (HEADER + FIELDS * jobs)))
        return cls(path)

    @classmethod
    def shared(cls) -> "Board":
        """The one that the harness named in the environment."""
        return cls(Path(os.environ[VARIABLE]))

    def enqueue(self, job: int) -> None:
        self.enqueued[job] = time.monotonic_ns()

    def begin(self, job: int) -> None:
        self.began[job] = time.monotonic_ns()
        self.runs[job] += 1

    def end(self, job: int) -> None:
        self.ended[job] = time.monotonic_ns()

    def wait_for_start(self) -> None:
        """Called once by each worker process when it could begin: says so, and blocks until all may."""
        (self._ready(self.path) / str(os.getpid())).touch()
        while not self._header[0]:
            time.sleep(0.0005)

    def start(self) -> int:
        """Let the workers begin; answers when that was."""
        self._header[0] = now = time.monotonic_ns()
        return now

    @property
    def ready(self) -> int:
        """How many worker processes could begin."""
        return len(list(self._ready(self.path).iterdir()))

    @staticmethod
    def _ready(path: Path) -> Path:
        return path.with_suffix(".ready")
