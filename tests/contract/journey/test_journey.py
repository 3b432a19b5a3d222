"""Both genuine clients go through the same script against the whole stack and find the same facts."""

import asyncio
import json
import subprocess
import warnings
from collections.abc import Awaitable, Callable

import pytest

from tests.contract.journey import script
from tests.contract.journey.expectation import EXPECTED
from tests.contract.journey.journey import Facts, Site
from tests.support.node import JS, node

DEADLINE_SECONDS = 240


async def _supabase_js(site: Site) -> dict[str, Facts]:
    environment = {
        "SUPABASE_URL": site.supabase_url,
        "SUPABASE_PUBLISHABLE_KEY": site.publishable_key,
        "SUPABASE_SECRET_KEY": site.secret_key,
        "INTAKE_URL": site.intake_url,
        "OPERATOR_URL": site.operator_url,
        "PORTRAIT": str(site.portrait),
        "OUTAGES": "true" if site.outages else "false",
    }
    process = await asyncio.create_subprocess_exec(
        node(),
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
    expected = {step: wanted for step, wanted in EXPECTED.items() if site.outages or step != "reconnect"}
    assert list(facts) == list(expected)
    differing = {step: facts[step] for step in expected if facts[step] != expected[step]}
    assert differing == {step: expected[step] for step in differing}
    if not site.outages:
        warnings.warn("skipped: “reconnect”, as this Supabase's Realtime cannot be told to drop clients", stacklevel=1)
