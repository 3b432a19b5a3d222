"""Children: they get ready or are reported, and they end."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from deploy.local.processes import Child, ProcessFailed, free_port, spawn
from tests.support.processes import until_gone

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)
WITH_CHILD = (
    "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(p.pid, flush=True); time.sleep(60)"
)
Start = Callable[..., Child]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    children: list[Child] = []

    def run(code: str, seconds: float = 10) -> Child:
        child = spawn(
            "child",
            [sys.executable, "-c", code],
            env={},
            log=tmp_path / "child.log",
            stops=((signal.SIGTERM, seconds),),
        )
        children.append(child)
        return child

    yield run
    for child in children:
        await child.stop()


async def first_line(child: Child) -> str:
    async def written() -> bool:
        return "\n" in child.log.read_text()

    await child.until_ready(written, 20)
    return child.log.read_text().splitlines()[0]


async def test_a_child_that_ends_before_it_is_ready_is_reported_with_its_log(start: Start) -> None:
    child = start("import sys; sys.exit('no licence')")

    with pytest.raises(ProcessFailed, match="no licence"):
        await child.until_healthy("http://127.0.0.1:9/health", 20)


async def test_a_child_that_never_gets_ready_is_reported(start: Start) -> None:
    child = start("import time; time.sleep(60)")

    with pytest.raises(ProcessFailed, match=r"not ready after 0\.2 s"):
        await child.until_healthy("http://127.0.0.1:9/health", 0.2)


async def test_a_child_that_ignores_the_polite_signal_is_killed(start: Start) -> None:
    child = start(STUBBORN, seconds=0.1)
    await first_line(child)
    await child.stop()

    assert child.process.returncode == -signal.SIGKILL


async def test_what_a_child_started_ends_with_it(start: Start) -> None:
    child = start(WITH_CHILD)
    grandchild = int(await first_line(child))
    await child.stop()

    await until_gone([grandchild])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
async def test_a_child_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from deploy.local.processes import spawn;"
        f"log = Path({str(tmp_path)!r}) / 'c.log';"
        "c = spawn('c', [sys.executable, '-c', 'import time; time.sleep(60)'], env={}, log=log);"
        "print(c.pid, flush=True); time.sleep(60)"
    )
    supervisor = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert supervisor.stdout is not None
    pid = int(await supervisor.stdout.readline())
    os.kill(supervisor.pid, signal.SIGKILL)
    await supervisor.wait()

    await until_gone([pid])


def test_a_free_port_is_the_wanted_one_unless_somebody_listens_there() -> None:
    wanted = free_port()
    assert free_port(wanted) == wanted
    with socket.socket() as other:
        other.bind(("127.0.0.1", wanted))
        other.listen()
        assert free_port(wanted) != wanted
    assert free_port(wanted, besides={wanted}) != wanted
