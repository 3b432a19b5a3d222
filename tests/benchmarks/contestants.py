"""Who takes part, and how each is started: its worker, its producer, and what it needs before."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

REPOSITORY = Path(__file__).parents[2]
ENVIRONMENTS = REPOSITORY / ".local" / "bench"
REQUIREMENTS = Path(__file__).parent / "peers" / "requirements"


@dataclass(frozen=True)
class Contestant:
    """`work` answers the command line for a number of slots; `produce` takes `bulk N`, `paced N S`, `setup`."""

    name: str
    produce: tuple[str, ...]
    work: Callable[[int], tuple[str, ...]]
    package: str | None = None
    needs: Literal["redis", "postgres"] = "redis"
    setup: bool = False
    env: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> str:
        """The interpreter of its environment; ours and the floor run in our own."""
        return str(ENVIRONMENTS / self.package / "bin" / "python") if self.package else sys.executable


def _floor(kind: str) -> Contestant:
    module = ("-m", "tests.benchmarks.floor", kind)
    return Contestant(f"floor_{kind}", module, lambda _: (*module, "work"), setup=kind == "stream")


def _peer(name: str, *work: str, package: str | None = None, **options: object) -> Contestant:
    """`{slots}` and `{batch}` in the command line are filled in."""
    package = package or name
    module = f"tests.benchmarks.peers.{package}"

    def command(slots: int) -> tuple[str, ...]:
        return tuple(part.format(slots=slots, batch=max(slots // 2, 1)) for part in work)

    return Contestant(name, ("-m", module), command, package, **options)  # type: ignore[arg-type]


_TASKIQ = ("-m", "taskiq", "worker", "tests.benchmarks.peers.taskiq:broker", "--workers", "1")
_TASKIQ_SLOTS = ("--max-async-tasks", "{slots}")
_CELERY = ("-m", "celery", "-A", "tests.benchmarks.peers.celery", "worker", "-P", "threads", "-c", "{slots}")
_CELERY_QUIET = ("-O", "fair", "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING")
_PGQUEUER = ("-m", "pgqueuer", "run", "tests.benchmarks.peers.pgqueuer:factory")
_PGQUEUER_SLOTS = (
    "--batch-size",
    "{batch}",
    "--max-concurrent-tasks",
    "{slots}",
    "--heartbeat-timeout",
    "10",
    "--dequeue-timeout",
    "5",
)

OURS = Contestant(
    "ours",
    ("-m", "tests.benchmarks.ours"),
    lambda _: ("-m", "arq", "tests.benchmarks.ours.WorkerSettings"),
)
FLOOR = _floor("list")
STREAM = _floor("stream")
PEERS = (
    _peer("arq", "-m", "arq", "tests.benchmarks.peers.arq.WorkerSettings"),
    _peer("saq", "-m", "saq", "tests.benchmarks.peers.saq.settings"),
    _peer("taskiq_list", *_TASKIQ, *_TASKIQ_SLOTS, package="taskiq", env={"BENCH_BROKER": "list"}),
    _peer("taskiq_stream", *_TASKIQ, *_TASKIQ_SLOTS, package="taskiq", env={"BENCH_BROKER": "stream"}),
    _peer("dramatiq", "-m", "dramatiq", "--processes", "1", "--threads", "{slots}", "tests.benchmarks.peers.dramatiq"),
    _peer("celery", *_CELERY, *_CELERY_QUIET),
    _peer("pgqueuer", *_PGQUEUER, *_PGQUEUER_SLOTS, needs="postgres", setup=True),
    _peer("procrastinate", "-m", "tests.benchmarks.peers.procrastinate", "work", needs="postgres", setup=True),
    _peer("streaq", "-m", "streaq", "run", "tests.benchmarks.peers.streaq:worker"),
)
ALL = (FLOOR, STREAM, OURS, *PEERS)
