"""The worker processes: started, frozen, ended; and whether one ended that nobody had ended."""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from deploy.local.processes import Child, spawn
from deploy.local.services import COMMANDS, STOPS
from deploy.local.stack import Stack
from tests.chaos.wire import Wire

# Short waits, so that what takes minutes in production takes moments here.
QUICK = {
    "WORKER_LEASE_SECONDS": "2",
    "WORKER_RENEW_SECONDS": "0.5",
    "WORKER_GRACE_SECONDS": "1",
    "WORKER_MAX_JOBS": "6",
    "WORKER_SWEEP_SECONDS": "0.3",
    "WORKER_BACKOFF_SECONDS": "0.1",
    "WORKER_BACKOFF_MAX_SECONDS": "1",
    "WORKER_ATTEMPT_SECONDS": "20",
    "GEMINI_TIMEOUT_SECONDS": "10",
    "STORAGE_TIMEOUT_SECONDS": "3",
    "DATABASE_TIMEOUT_SECONDS": "5",
    "QUEUED_MAX_AGE_SECONDS": "60",
}


@dataclass
class _Life:
    child: Child
    may_die: bool
    frozen: int = 0


class Fleet:
    """Workers by name; each reaches Postgres through the wire. Use within `async with`; it ends them all."""

    def __init__(self, stack: Stack, settings: Mapping[str, str], count: Callable[[str], None]) -> None:
        self.wire = Wire(stack.database_port, self.freeze, self.thaw)
        self.thawed_at: list[float] = []
        self.unexpected: list[str] = []
        self._stack = stack
        self._settings = settings
        self._count = count
        self._lives: dict[str, _Life] = {}
        self._ports: dict[str, int] = {}
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> "Fleet":
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in list(self._lives):
            await self.kill(name)
        await self._exits.aclose()

    async def start(self, name: str, point: str | None = None) -> None:
        """A new process of this name, which may be told where to crash."""
        await self.kill(name)
        if name not in self._ports:
            self._ports[name] = await self._exits.enter_async_context(self.wire.listening(name))
        url = self._stack.database_url("sparky_worker").replace(
            f":{self._stack.database_port}/", f":{self._ports[name]}/"
        )
        environment = {
            **self._stack.environment_of("worker"),
            **self._settings,
            "DATABASE_URL": f"{url}?sslmode=disable",
            **({"WORKER_CRASH_POINT": point} if point else {}),
        }
        log = self._stack.logs / f"{name}.log"
        child = spawn(name, COMMANDS["worker"], env=environment, log=log, cwd=self._stack.directory)
        self._lives[name] = _Life(child, may_die=point is not None)

    def pid(self, name: str) -> int:
        """Of the process that has this name now."""
        return self._lives[name].child.pid

    def freeze(self, name: str) -> None:
        if (life := self._lives.get(name)) is not None and life.child.running:
            life.frozen += 1
            life.child.process.send_signal(signal.SIGSTOP)

    async def thaw(self, name: str) -> None:
        if (life := self._lives.get(name)) is not None and life.frozen:
            life.frozen -= 1
            if not life.frozen and life.child.running:
                self.thawed_at.append(time.time())
                life.child.process.send_signal(signal.SIGCONT)

    async def kill(self, name: str) -> None:
        """As a machine that loses power. Harmless when it has ended."""
        await self._end(name, signal.SIGKILL, 0)

    async def terminate(self, name: str) -> None:
        """As an orderly deployment; it gets the time that the stack gives it, and being frozen does not count."""
        await self._end(name, signal.SIGTERM, STOPS["worker"][0][1])

    async def crashed(self, name: str, seconds: float) -> None:
        """Wait for a worker that was told to crash; TimeoutError when it lives on."""
        await self._lives[name].child.finished(seconds)
        self.look_for_the_dead()

    def look_for_the_dead(self) -> None:
        """Note every worker that ended by itself although it was not told to crash."""
        for name, life in list(self._lives.items()):
            if life.child.running:
                continue
            del self._lives[name]
            code = life.child.process.returncode
            if life.may_die and code == -signal.SIGKILL:
                self._count("worker crashed at its point")
            else:
                self.unexpected.append(f"{name} ended with {code}: {life.child.log_tail(3)}")

    async def _end(self, name: str, number: signal.Signals, seconds: float) -> None:
        self.look_for_the_dead()
        life = self._lives.pop(name, None)
        if life is None:
            return
        if life.frozen and number != signal.SIGKILL:
            life.child.process.send_signal(signal.SIGCONT)
            self.thawed_at.append(time.time())
        life.child.process.send_signal(number)
        try:
            code = await life.child.finished(seconds or 10)
            # SIGTERM itself: it had not yet come so far as to listen to signals.
            expected = {-number} | ({-signal.SIGKILL} if life.may_die else set())
            if code not in {0, *expected}:
                self.unexpected.append(f"{name} ended with {code} on {number.name}: {life.child.log_tail(3)}")
        except TimeoutError:
            self.unexpected.append(f"{name} did not end on {number.name}: {life.child.log_tail(3)}")
        finally:
            await asyncio.shield(life.child.stop())
