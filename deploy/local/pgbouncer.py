"""PgBouncer in transaction mode before the embedded PostgreSQL, as Supabase's poolers are: 127.0.0.1 only.

No wheel carries the program: it is the machine's own, such as Debian's package `pgbouncer`. As strict as Supabase's
shared pooler: no prepared statements, no settings at login. Fewer connections to the server than one process of ours
opens, so that whatever belongs to a session goes astray at once.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from deploy.local.account import private_place, unprivileged_account
from deploy.local.postgres import DATABASE
from deploy.local.processes import Child, free_port, spawn

POOL_SIZE = 4
"""Connections to the server for each role."""
START_SECONDS = 20.0
PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")  # beside PATH, where an ordinary user has no sbin


class PgBouncerMissing(FileNotFoundError):  # noqa: N818 - it is what is wrong
    """The program is not on this machine."""


def find_pgbouncer() -> Path:
    """The machine's program. Raises `PgBouncerMissing`."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *PLACES))
    found = shutil.which("pgbouncer", path=path)
    if found is None:
        raise PgBouncerMissing("PgBouncer is not installed (Debian's package pgbouncer)")
    return Path(found)


class PgBouncer:
    """`directory` is the stack's state folder; `passwords` has the roles that may log in; `target`: Postgres' port."""

    def __init__(self, directory: Path, passwords: Mapping[str, str], target: int, *, port: int = 0) -> None:
        self.port = port
        self._directory = directory.resolve()
        self._passwords = dict(passwords)
        self._target = target
        self._account = unprivileged_account()
        self._home: Path | None = None
        self._child: Child | None = None

    def dsn(self, role: str) -> str:
        return f"postgresql://{role}:{quote(self._passwords[role], safe='')}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def started(self) -> bool:
        return self._child is not None

    @property
    def child(self) -> Child:
        """The running pooler; RuntimeError when it was not started."""
        if self._child is None:
            raise RuntimeError("PgBouncer is not running")
        return self._child

    async def start(self) -> None:
        """Serve; returns when connections are accepted. Raises `PgBouncerMissing`, or ProcessFailed with its log."""
        program = find_pgbouncer()
        self.port = free_port(self.port)
        self._child = spawn(
            "pgbouncer",
            [program, self._configure(program)],
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            log=self._directory / "logs" / "pgbouncer.log",
            account=self._account,
            stops=((signal.SIGTERM, 2.0),),
        )
        await self._child.until_ready(self._listens, START_SECONDS)

    async def stop(self) -> None:
        """End it and remove its files. Harmless when it does not run."""
        if self._child is not None:
            await self._child.stop()
            self._child = None
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None

    def _configure(self, program: Path) -> Path:
        """Write its two files where, and so that, only its account can read them; answers the first."""
        if self._account is None:
            self._home = self._directory / "pgbouncer"
            self._home.mkdir(mode=0o700, exist_ok=True)
        else:
            self._home = private_place("pgbouncer", str(self._directory))
        users = self._write("users.txt", "".join(f"{_quoted(n)} {_quoted(p)}\n" for n, p in self._passwords.items()))
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "pool_mode": "transaction",
            "default_pool_size": POOL_SIZE,
            "max_client_conn": 500,
            "server_login_retry": 1,
            "log_connections": 0,
            "log_disconnections": 0,
        }
        if _version(program) >= (1, 21):  # older ones cannot
            settings["max_prepared_statements"] = 0
        lines = ["[databases]", f"* = host=127.0.0.1 port={self._target}", "[pgbouncer]"]
        return self._write("pgbouncer.ini", "\n".join([*lines, *(f"{n} = {v}" for n, v in settings.items()), ""]))

    def _write(self, name: str, text: str) -> Path:
        assert self._home is not None
        file = self._home / name
        file.unlink(missing_ok=True)
        file.touch(mode=0o600, exist_ok=False)
        file.write_text(text)
        if self._account is not None:
            os.chown(file, self._account.uid, self._account.gid)
        return file

    async def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _version(program: Path) -> tuple[int, int]:
    answer = subprocess.run([program, "--version"], capture_output=True, check=True, timeout=10, text=True).stdout
    found = re.search(r"(\d+)\.(\d+)", answer)
    if found is None:
        raise ValueError(f"not a PgBouncer version: {answer!r}")
    return int(found[1]), int(found[2])
