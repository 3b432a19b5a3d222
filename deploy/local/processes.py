"""Child processes of the embedded stack: started, watched until healthy, and ended.

A child runs in a session of its own (a Ctrl-C in the terminal reaches only the supervisor), writes to a log file,
and on Linux is signalled by the kernel when the supervisor dies, however it dies.
"""

import asyncio
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.local.account import Account

POLL_SECONDS = 0.01
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ProcessFailed(RuntimeError):  # noqa: N818 - it is what happened
    """A child ended, or did not become ready within its deadline. Carries the end of its log."""


@dataclass
class Child:
    """One running child. `stops` are the signals that end it, each with the seconds it gets."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    stops: tuple[tuple[signal.Signals, float], ...]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    async def finished(self, seconds: float) -> int:
        """Its exit code; raises TimeoutError when it takes longer than `seconds`."""
        await until(lambda: not self.running, seconds)
        return self.process.returncode

    async def until_ready(self, ready: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Wait until `ready()`; raises ProcessFailed when the child ends first or the time is up."""
        deadline = time.monotonic() + seconds
        while True:
            if not self.running:
                raise ProcessFailed(f"{self.name} ended with {self.process.returncode}\n{self.log_tail()}")
            if await ready():
                return
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{self.name} was not ready after {seconds:g} s\n{self.log_tail()}")
            await asyncio.sleep(POLL_SECONDS)

    async def until_healthy(self, url: str, seconds: float) -> None:
        """Wait until `GET url` answers 200."""
        async with httpx.AsyncClient(timeout=1, trust_env=False) as client:

            async def healthy() -> bool:
                try:
                    return (await client.get(url)).status_code == 200
                except httpx.TransportError:
                    return False

            await self.until_ready(healthy, seconds)

    async def stop(self) -> None:
        """End it and whatever it started: the graceful signal first, SIGKILL for the group when time is up."""
        for number, seconds in self.stops:
            if not self.running:
                break
            self.process.send_signal(number)
            with suppress(TimeoutError):
                await self.finished(seconds)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await self.finished(10)

    def log_tail(self, lines: int = 20) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def spawn(
    name: str,
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: Path,
    account: Account | None = None,
    cwd: Path | None = None,
    stops: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 10),),
    orphan_signal: signal.Signals = signal.SIGKILL,
) -> Child:
    """Start `argv` as `account` (None: as ourselves), its output appended to `log`.

    The kernel ties `orphan_signal` to the *thread* that calls this: call it from one that lives as long as the stack.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in argv],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd or "/",
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=_end_with_parent(orphan_signal),  # noqa: PLW1509 - one system call, no lock
        )
    return Child(name, process, log, stops)


def free_port(wanted: int = 0, besides: Container[int] = ()) -> int:
    """`wanted` when nobody listens there, else a free port of 127.0.0.1 that is not in `besides`.

    Taken from below the range that outgoing connections use, so that none of them takes it before the child listens.
    """
    for port in (*([wanted] if wanted else []), *random.sample(range(20_000, 32_000), 50)):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port not in besides:
                probe.bind(("127.0.0.1", port))
                return port
    raise ProcessFailed("no free port on 127.0.0.1")


async def until(done: Callable[[], bool], seconds: float) -> None:
    """Wait for something that no event announces; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110 - a process has no event to wait for
            await asyncio.sleep(POLL_SECONDS)


def _end_with_parent(orphan_signal: signal.Signals) -> Callable[[], None] | None:
    if _libc is None:
        return None
    prctl, parent = _libc.prctl, os.getpid()

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, int(orphan_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl
            os.kill(os.getpid(), signal.SIGKILL)

    return prepare
