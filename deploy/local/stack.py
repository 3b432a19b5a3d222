"""The embedded stack: PostgreSQL, Valkey, the stand-ins, intake and worker, on 127.0.0.1, as children of this process.

    async with Stack(directory) as stack:
        stack.supabase_url, stack.intake_url, stack.database_url("postgres")

Guarantees: one stack at a time in a folder; either everything asked for is up and healthy or nothing is left running;
nothing outlives this process. While it runs, `stack.json` in its folder says where everything is.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TextIO

import asyncpg
import orjson

from deploy.local.addresses import POOLED_ROLES, Addresses
from deploy.local.base import apply_base, set_passwords
from deploy.local.installation import Installation
from deploy.local.keys import load_keys, write_private
from deploy.local.migrate import migrate
from deploy.local.pgbouncer import PgBouncer
from deploy.local.postgres import SUPERUSER, Postgres
from deploy.local.processes import Child, spawn
from deploy.local.services import ALL, COMMANDS, FREE_PORTS, STOPS, Ports, choose_ports, with_needs
from deploy.local.valkey import Valkey

HEALTHY_SECONDS = 60.0
WATCH_SECONDS = 0.2
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")
HEALTH_PATHS = {"supabase": "/health", "gemini": "/health", "paymob": "/health", "intake": "/readyz"}


class StackBusy(RuntimeError):  # noqa: N818 - it is what is wrong
    """Another stack runs in this folder."""


class Stack(Addresses):
    """`directory` keeps all state. What `environment` sets reaches the services, unless the stack provides it.

    With `DATABASE_POOLER=transaction` in it, a PgBouncer goes between intake and worker and the embedded Postgres.
    A stack that is not `durable` is for tests: no fsync, and the database is gone when it stops.
    """

    def __init__(
        self,
        directory: Path,
        services: Iterable[str] = (),
        *,
        ports: Ports = FREE_PORTS,
        environment: Mapping[str, str] | None = None,
        installation: Installation | None = None,
        durable: bool = True,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """No services named: all of them. `report` is told what happens, a line each. Raises `NotConfigured`."""
        given = {name: os.environ[name] for name in INHERITED if name in os.environ} | dict(environment or {})
        super().__init__(directory.resolve(), with_needs(services, given), given)
        self._wanted_ports = ports
        self._installation = installation
        self._durable = durable
        self._report = report
        self._children: dict[str, Child] = {}
        self._lock: TextIO | None = None

    async def __aenter__(self) -> "Stack":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Raises `StackBusy`, or what kept a service from starting; then nothing is left running."""
        self._take_folder()
        try:
            self.keys = load_keys(self.directory / "keys.json")
            self.ports = choose_ports(self._wanted_ports, self._report, unused=ALL - self.services)
            self.valkey = Valkey(self.directory, port=self.ports.valkey)
            if "postgres" in self.services:
                self.postgres = self._new_postgres()
                self.pooler = self._new_pooler()
            async with asyncio.TaskGroup() as group:
                await self._start_in_order(group)
            pids = {child.name: child.pid for child in (*self._servers(), *self._children.values())}
            write_private(self.directory / "stack.json", {"pid": os.getpid(), "pids": pids, **self.described()})
        except BaseException as error:
            await self.stop()
            if isinstance(error, BaseExceptionGroup):
                raise error.exceptions[0] from None
            raise

    async def run(
        self, service: str, *, label: str | None = None, environment: Mapping[str, str] | None = None
    ) -> Child:
        """Start one process of a service and wait until it is healthy; a `label` names a second one of its kind."""
        label = label or service
        if label in self._children and self._children[label].running:
            raise ValueError(f"{label} runs already")
        known = await self._known_workers() if service == "worker" else set()
        child = spawn(
            label,
            COMMANDS[service],
            env={**self.environment_of(service), **(environment or {})},
            log=self.logs / f"{label}.log",
            cwd=self.directory,  # not the clone: nothing reads its `.env` behind our back
            stops=STOPS[service],
        )
        self._children[label] = child
        if service == "worker":

            async def beats() -> bool:  # seen in our own Postgres only
                return self.postgres is None or not known.issuperset(await self._known_workers())

            await child.until_ready(beats, HEALTHY_SECONDS)
        else:
            await child.until_healthy(self.url_of(service) + HEALTH_PATHS[service], HEALTHY_SECONDS)
        self._report(f"{label} is up")
        return child

    async def until_something_ends(self) -> Child:
        """Wait for a child that ends although nobody stopped it."""
        while True:
            for child in (*self._children.values(), *self._servers()):
                if not child.running:
                    return child
            await asyncio.sleep(WATCH_SECONDS)

    async def stop(self) -> None:
        """End everything, in the reverse order of the start. Harmless when nothing runs."""
        for layer in ({"intake", "worker"}, {"supabase", "gemini", "paymob"}):
            ending = [label for label in self._children if label.partition("-")[0] in layer]
            await asyncio.gather(*(self._children.pop(label).stop() for label in ending))
        if self.valkey is not None:
            await self.valkey.stop()
        if self.pooler is not None:
            await self.pooler.stop()
        if self.postgres is not None:
            await self.postgres.stop()
            if not self._durable:
                self.postgres.destroy()
        if self._lock is not None:
            (self.directory / "stack.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    async def _start_in_order(self, group: asyncio.TaskGroup) -> None:
        """Each service as soon as what it needs is there; the group waits until all are healthy."""
        for stand_in in ("gemini", "paymob"):
            if stand_in in self.services:
                group.create_task(self.run(stand_in))
        valkey = group.create_task(self._start_valkey())
        if self.postgres is not None:
            await self.postgres.start()
            self._report("postgres is up")
            superuser = self.postgres.dsn()
            if await apply_base(superuser):
                self._report("database made")
            await set_passwords(superuser, self.keys.passwords)
            if "supabase" in self.services:
                group.create_task(self.run("supabase"))
            await migrate(self.database_url("postgres"), report=lambda name: self._report(f"applied {name}"))
            await set_passwords(superuser, self.keys.passwords)  # the migrations' own roles
            if self.pooler is not None:
                await self.pooler.start()
                self._report("pooler is up")
        await valkey
        for service in ("intake", "worker"):
            if service in self.services:
                group.create_task(self.run(service))

    async def _start_valkey(self) -> None:
        if self.valkey is not None and "valkey" in self.services:
            await self.valkey.start()
            self._report("valkey is up")

    def _new_postgres(self) -> Postgres:
        return Postgres(
            self.directory,
            self.keys.passwords[SUPERUSER],
            identity=self.keys.stack_id,
            port=self.ports.postgres,
            installation=self._installation,
            durable=self._durable,
        )

    def _new_pooler(self) -> PgBouncer | None:
        if self._given.get("DATABASE_POOLER") != "transaction":
            return None
        passwords = {role: self.keys.passwords[role] for role in POOLED_ROLES}
        return PgBouncer(self.directory, passwords, self.ports.postgres, port=self.ports.pooler)

    def _servers(self) -> list[Child]:
        servers = (self.postgres, self.valkey, self.pooler)
        return [server.child for server in servers if server is not None and server.started]

    async def _known_workers(self) -> set[str]:
        """Names of the workers that have ever said they are alive."""
        if self.postgres is None:
            return set()
        connection = await asyncpg.connect(self.database_url(SUPERUSER), timeout=10, command_timeout=10)
        try:
            return {row["id"] for row in await connection.fetch("select id from sparky.workers")}
        finally:
            await connection.close()

    def _take_folder(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (self.directory / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StackBusy(f"a stack runs in {self.directory} already{self._busy_with()}") from None
        self._lock = lock

    def _busy_with(self) -> str:
        try:
            return f" (process {orjson.loads((self.directory / 'stack.json').read_bytes())['pid']})"
        except (OSError, ValueError):  # it is still starting
            return ""
