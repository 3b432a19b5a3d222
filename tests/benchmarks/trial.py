"""One measurement of one contestant: fresh data, its processes started and ended, its times read from the board."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import redis.asyncio as redis

from deploy.local.postgres import SUPERUSER, Postgres
from deploy.local.processes import Child, ProcessFailed, spawn
from deploy.local.valkey import Valkey
from tests.benchmarks.board import VARIABLE, Board
from tests.benchmarks.contestants import ALL, REPOSITORY, Contestant

PATIENCE = 90.0
"""Seconds until a contestant that does not get ready, or does not put its jobs in, has failed."""
SETTLE = 0.5
POLL = 0.02


@dataclass
class Bench:
    """The services of a whole run, and a folder for what a trial leaves behind."""

    valkey: Valkey
    postgres: Postgres
    folder: Path
    _serial: int = field(default=0)

    def redis_url(self, contestant: Contestant) -> str:
        """A database of the contestant's own."""
        return f"redis://127.0.0.1:{self.valkey.port}/{ALL.index(contestant)}"

    def database_url(self, name: str, role: str = SUPERUSER, password: str | None = None) -> str:
        return self.postgres.dsn(role, password).rpartition("/")[0] + f"/{name}"

    @asynccontextmanager
    async def trial(
        self, contestant: Contestant, jobs: int, *, slots: int = 100, seconds: float = 0
    ) -> AsyncIterator["Trial"]:
        """Empty data of its own and a board for this many jobs; at the end no process of it is left."""
        self._serial += 1
        folder = self.folder / f"{self._serial:03}-{contestant.name}"
        board = Board.create(folder / "board", jobs)
        async with redis.Redis.from_url(self.redis_url(contestant)) as client:
            await client.flushdb()
        database = f"bench_{contestant.name}"
        if contestant.needs == "postgres":
            connection = await asyncpg.connect(self.postgres.dsn())
            await connection.execute(f"drop database if exists {database} with (force)")
            await connection.execute(f"create database {database}")
            await connection.close()
        env = {
            "PATH": f"{Path(contestant.python).parent}:/usr/bin:/bin",
            "HOME": str(folder),
            "PYTHONPATH": str(REPOSITORY),
            "BENCH_REDIS_URL": self.redis_url(contestant),
            "BENCH_DATABASE_URL": self.database_url(database),
            "BENCH_SLOTS": str(slots),
            "BENCH_JOB_SECONDS": str(seconds),
            VARIABLE: str(board.path),
            **contestant.env,
        }
        trial = Trial(contestant, board, env, folder / "log", slots)
        try:
            if contestant.setup:
                await trial.run("setup")
            yield trial
        finally:
            await asyncio.gather(*(worker.stop() for worker in trial.workers))
            shutil.rmtree(folder / "board.ready", ignore_errors=True)
            board.path.unlink()


@dataclass
class Trial:
    contestant: Contestant
    board: Board
    env: dict[str, str]
    log: Path
    slots: int
    workers: list[Child] = field(default_factory=list)

    async def run(self, *command: str) -> None:
        """The producer with this command, to its end. Raises ProcessFailed when it fails."""
        producer = self._spawn(*self.contestant.produce, *command)
        try:
            if await producer.finished(PATIENCE) != 0:
                raise ProcessFailed(f"{command[0]} failed: {producer.log_tail(1)}")
        finally:
            await producer.stop()

    async def start_workers(self, processes: int = 1) -> None:
        """Start more worker processes; returns when all are ready to begin, and held back until `board.start()`."""
        for _ in range(processes):
            self.workers.append(self._spawn(*self.contestant.work(self.slots)))
        newest = self.workers[-1]

        async def ready() -> bool:
            return self.board.ready >= len(self.workers)

        await newest.until_ready(ready, PATIENCE)
        await self.settle()

    async def settle(self) -> None:
        """Let what a start brings with it (connections, subscriptions, the machine's own work) come to rest."""
        await asyncio.sleep(SETTLE)

    async def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until `done()`; False when the time is up first."""
        try:
            async with asyncio.timeout(seconds):
                while not done():  # noqa: ASYNC110 - the board announces nothing
                    await asyncio.sleep(POLL)
        except TimeoutError:
            return False
        return True

    def _spawn(self, *arguments: str) -> Child:
        return spawn(
            self.contestant.name,
            [self.contestant.python, *arguments],
            env=self.env,
            log=self.log,
            cwd=REPOSITORY,
            stops=(),
        )
