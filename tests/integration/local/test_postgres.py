"""The embedded PostgreSQL: it starts, it ends, and it keeps what it was given."""

import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from deploy.local.postgres import Postgres
from tests.support.servers import PASSWORD, installation

NewServer = Callable[..., Postgres]


@pytest.fixture
async def new_server(tmp_path: Path) -> AsyncIterator[NewServer]:
    """Makes servers in one folder; ends them and removes their data afterwards."""
    made: list[Postgres] = []

    def make(**options: object) -> Postgres:
        made.append(Postgres(tmp_path, PASSWORD, durable=False, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for server in made:
        await server.stop()
        server.destroy()


async def value(server: Postgres, sql: str) -> object:
    connection = await asyncpg.connect(server.dsn(), timeout=10)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_it_decodes_logically_and_listens_on_loopback_only(new_server: NewServer) -> None:
    server = new_server()
    await server.start()

    assert await value(server, "show wal_level") == "logical"
    assert await value(server, "show listen_addresses") == "127.0.0.1"
    assert await value(server, "show unix_socket_directories") == ""
    assert await value(server, "show server_encoding") == "UTF8"


async def test_nobody_enters_without_the_password(new_server: NewServer) -> None:
    server = new_server()
    await server.start()

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.dsn(password="another"))


async def test_data_survives_a_restart(new_server: NewServer) -> None:
    server = new_server()
    await server.start()
    await value(server, "create table kept ()")
    await server.stop()
    await server.start()

    assert await value(server, "select to_regclass('kept')") == "kept"


async def test_nothing_runs_after_a_stop(new_server: NewServer) -> None:
    server = new_server()
    await server.start()
    pid = server.child.pid
    await server.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not (server.data / "postmaster.pid").exists()


async def test_a_server_left_over_by_a_dead_supervisor_is_ended_first(new_server: NewServer) -> None:
    leftover = new_server()
    await leftover.start()
    server = new_server()
    await server.start()

    assert await leftover.child.finished(10) == 0, "ended cleanly, not killed"
    assert await value(server, "select 1") == 1


async def test_a_killed_server_starts_again(new_server: NewServer) -> None:
    server = new_server()
    await server.start()
    server.child.process.send_signal(signal.SIGKILL)
    await server.child.finished(10)
    await server.start()

    assert await value(server, "select 1") == 1


async def test_a_stale_pid_file_naming_another_process_does_no_harm(new_server: NewServer) -> None:
    server = new_server()
    await server.start()
    await server.stop()
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n")
    await server.start()

    assert await value(server, "select 1") == 1


async def test_a_taken_port_is_not_used(new_server: NewServer) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        server = new_server(port=taken)
        await server.start()

        assert server.port != taken
        assert await value(server, "select 1") == 1


async def test_other_keys_mean_fresh_data(new_server: NewServer) -> None:
    """Somebody who removed the stack's folder expects to begin anew."""
    first = new_server(identity="first")
    await first.start()
    await value(first, "create table old ()")
    await first.stop()
    second = new_server(identity="second")
    await second.start()

    assert await value(second, "select to_regclass('old')") is None


async def test_versions_keep_their_data_apart(new_server: NewServer) -> None:
    old, new = new_server(installation=installation("16")), new_server(installation=installation("18"))
    await old.start()
    await new.start()

    assert "16" in old.data.name
    assert "18" in new.data.name
    assert str(await value(old, "select version()")).startswith("PostgreSQL 16")
    assert str(await value(new, "select version()")).startswith("PostgreSQL 18")


@pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL runs as ourselves unless we are root")
async def test_as_root_it_runs_unprivileged_outside_a_private_folder(new_server: NewServer, tmp_path: Path) -> None:
    server = new_server()
    await server.start()

    assert os.stat(f"/proc/{server.child.pid}").st_uid != 0
    assert not server.data.is_relative_to(tmp_path), "pytest's folders may be entered by their owner only"
    assert server.data.stat().st_mode & 0o077 == 0
