"""An embedded PostgreSQL server of our own: one data folder, 127.0.0.1 only, passwords, logical decoding on.

Guarantees: a data folder is made whole or not at all and carries PostgreSQL's major version in its name; a server
left over in it from a supervisor that died is ended cleanly before the next one starts; the server ends with us.
As root it runs under an unprivileged account, with its data outside the clone when that account cannot enter it.
"""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from deploy.local.account import private_place, unprivileged_account
from deploy.local.installation import Installation, installation_in_wheel, reachable_by
from deploy.local.processes import Child, ProcessFailed, free_port, spawn, until

SUPERUSER = "supabase_admin"
DATABASE = "postgres"
START_SECONDS = 60.0
STOPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0))
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_connections": "200",
    "max_wal_senders": "30",
    "max_replication_slots": "30",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u ",
    "jit": "off",
}
# Commits stay synchronous: logical decoding, and so Realtime, reads only what has been flushed.
THROWAWAY = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


class Postgres:
    """`directory` is the stack's state folder. A server that is not `durable` skips fsync: for tests only."""

    def __init__(
        self,
        directory: Path,
        password: str,
        *,
        identity: str = "0",
        port: int = 0,
        installation: Installation | None = None,
        durable: bool = True,
    ) -> None:
        """`identity` belongs to `password`: another one means another, fresh, data folder."""
        self.port = port
        self._directory = directory.resolve()
        self._password = password
        self._identity = identity
        self._durable = durable
        self._account = unprivileged_account()
        self._installation = reachable_by(self._account, installation or installation_in_wheel())
        self._data = self._home() / f"postgres-{self._installation.major}-{identity}"
        self._child: Child | None = None

    @property
    def data(self) -> Path:
        """The data folder."""
        return self._data

    def program(self, name: str) -> Path:
        """One of PostgreSQL's own programs, such as `psql`."""
        return self._installation.program(name)

    @property
    def started(self) -> bool:
        return self._child is not None

    @property
    def child(self) -> Child:
        """The running server; RuntimeError when it was not started."""
        if self._child is None:
            raise RuntimeError("PostgreSQL is not running")
        return self._child

    def dsn(self, role: str = SUPERUSER, password: str | None = None) -> str:
        secret = quote(self._password if password is None else password, safe="")
        return f"postgresql://{role}:{secret}@127.0.0.1:{self.port}/{DATABASE}"

    async def start(self) -> None:
        """Serve; returns when connections are accepted. Raises ProcessFailed with the end of the log."""
        await self._end_leftovers()
        if not (self._data / "PG_VERSION").exists():
            await self._initialize()
        self.port = free_port(self.port)
        settings = SETTINGS | ({} if self._durable else THROWAWAY) | {"port": str(self.port)}
        self._child = spawn(
            "postgres",
            [
                self._installation.program("postgres"),
                "-D",
                self._data,
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            env=_environment(),
            log=self._log,
            account=self._account,
            stops=STOPS,
            orphan_signal=signal.SIGINT,
        )
        await self._child.until_ready(self._accepts, START_SECONDS)

    async def stop(self) -> None:
        """End it: a fast shutdown, an immediate one when that does not end. Harmless when it does not run."""
        if self._child is not None:
            await self._child.stop()
            self._child = None

    def destroy(self) -> None:
        """Remove the data of a stopped server, for tests."""
        shutil.rmtree(self._data, ignore_errors=True)
        if self._data.parent != self._directory:
            with suppress(OSError):  # other versions' data may still be there
                self._data.parent.rmdir()

    @property
    def _log(self) -> Path:
        return self._directory / "logs" / "postgres.log"

    def _home(self) -> Path:
        """The folder of our data folders."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._account is None or self._account.can_enter(self._directory):
            return self._directory
        return private_place("data", str(self._directory))

    async def _initialize(self) -> None:
        """Make the data folder under another name and move it into place when it is whole."""
        fresh = self._data.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        secret = fresh.with_suffix(".password")
        secret.unlink(missing_ok=True)
        secret.touch(mode=0o600, exist_ok=False)
        secret.write_text(self._password)
        if self._account is not None:
            for path in (fresh, secret):
                os.chown(path, self._account.uid, self._account.gid)
        argv: list[str | Path] = [self._installation.program("initdb"), "-D", fresh, "-U", SUPERUSER]
        argv += ["-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--no-locale", "--no-instructions"]
        argv += [] if self._durable else ["--no-sync"]
        child = spawn("initdb", argv, env=_environment(), log=self._log, account=self._account)
        try:
            if await child.finished(START_SECONDS) != 0:
                raise ProcessFailed(f"initdb failed\n{child.log_tail()}")
            fresh.rename(self._data)
        finally:
            await child.stop()
            secret.unlink(missing_ok=True)

    async def _accepts(self) -> bool:
        lines = _postmaster_file(self._data)
        return len(lines) > 7 and lines[0] == str(self.child.pid) and lines[7] == "ready"

    async def _end_leftovers(self) -> None:
        """End servers of ours that outlived their supervisor; outside the clone, drop data whose keys are gone."""
        await _end_leftover(self._data)
        if self._data.parent == self._directory:
            return
        for other in self._data.parent.glob("postgres-*"):
            if not other.name.endswith(f"-{self._identity}"):
                await _end_leftover(other)
                shutil.rmtree(other, ignore_errors=True)


async def _end_leftover(data: Path) -> None:
    lines = _postmaster_file(data)
    if not lines:
        return
    pid = int(lines[0])
    for number, seconds in (*STOPS, (signal.SIGKILL, 5.0)):
        if not _serves(pid, data):
            break
        os.kill(pid, number)
        with suppress(TimeoutError):
            await until(lambda: not _serves(pid, data), seconds)
    # PostgreSQL refuses to start when another process happens to have the dead server's number.
    (data / "postmaster.pid").unlink(missing_ok=True)


def _postmaster_file(data: Path) -> list[str]:
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
    except FileNotFoundError:
        return []


def _serves(pid: int, data: Path) -> bool:
    """Whether this process is a PostgreSQL server of this data folder."""
    if sys.platform == "linux":
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return False
    else:
        argv = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        command = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10).stdout
    return f"-D {data} -c " in command


def _environment() -> dict[str, str]:
    """Nothing of ours: neither PG* variables nor a locale that this machine may lack."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
