"""Both genuine clients go through the same script against the whole embedded stack and find the same facts."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.contract.journey import script
from tests.contract.journey.expectation import EXPECTED
from tests.contract.journey.journey import Facts, Site

JS = Path(__file__).parents[1] / "js"
OLDEST_NODE = 22
DEADLINE_SECONDS = 240


def _node() -> str:
    """Node, of the environment or of the machine. Skips where `make test` has not made it ready."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    node = shutil.which("node", path=path)
    if node is None:
        pytest.skip("no Node here: `make test` installs it")
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True, timeout=30).stdout
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node {version.strip()} is older than {OLDEST_NODE}: `make test` installs a newer one")
    if not (JS / "node_modules" / "@supabase" / "supabase-js").is_dir():
        pytest.skip("supabase-js is not installed: `make test` installs it")
    return node


async def _supabase_js(site: Site) -> dict[str, Facts]:
    environment = {
        "SUPABASE_URL": site.supabase_url,
        "SUPABASE_PUBLISHABLE_KEY": site.publishable_key,
        "SUPABASE_SECRET_KEY": site.secret_key,
        "INTAKE_URL": site.intake_url,
        "OPERATOR_URL": site.operator_url,
        "PORTRAIT": str(site.portrait),
    }
    process = await asyncio.create_subprocess_exec(
        _node(),
        str(JS / "journey.mjs"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"the script stopped after {output.decode()[-2000:]}\n{errors.decode()}"
    facts: dict[str, Facts] = json.loads(output)
    return facts


@pytest.mark.parametrize(
    "journey", [pytest.param(_supabase_js, id="supabase-js"), pytest.param(script.run, id="supabase-py")]
)
async def test_a_genuine_client_finds_what_is_written_down(
    site: Site, journey: Callable[[Site], Awaitable[dict[str, Facts]]]
) -> None:
    facts = await journey(site)
    assert list(facts) == list(EXPECTED)
    differing = {step: facts[step] for step in EXPECTED if facts[step] != EXPECTED[step]}
    assert differing == {step: EXPECTED[step] for step in differing}
