"""Apps written for Edge Functions keep working: both genuine clients, against the embedded gateway and under Deno."""

import asyncio
import subprocess
from collections.abc import AsyncIterator

import orjson
import pytest
from supabase import AsyncClientOptions, acreate_client
from supabase_functions.errors import FunctionsHttpError

from deploy.local.stack import Stack
from tests.contract.functions import app
from tests.contract.functions.app import Facts
from tests.contract.functions.places import NAMES, Place, gateway
from tests.support.customers import Customer
from tests.support.forwarder import Forwarder
from tests.support.node import JS, node

DEADLINE_SECONDS = 120

EXPECTED: Facts = {
    "picture": {"status": "succeeded", "cached": False, "error": None, "cost": 1, "seen_by_anybody": 200},
    "again": {"cached": True, "same": True},
    "analysis": {"status": "succeeded", "members": 13},
    "json_written_by_the_app": {"status": "succeeded"},
    "not_waiting": {"open": True, "picture": None},
    "not_waiting_ends": {"status": "succeeded", "picture": True},
    "wrong_parameter": {"data": None, "error": "FunctionsHttpError", "status": 422, "code": "invalid_parameters"},
    "signed_out": {"data": None, "error": "FunctionsHttpError", "status": 401, "code": "unauthenticated"},
    "intake_away": {"data": None, "error": "FunctionsRelayError", "status": 503, "code": "unavailable"},
}


@pytest.fixture
async def away(wire: Forwarder) -> AsyncIterator[Place]:
    """Functions whose intake is gone."""
    wire.cut()
    async with gateway(f"http://127.0.0.1:{wire.port}") as place:
        yield place


async def test_supabase_js_gets_the_finished_result(
    stack: Stack, customer: Customer, functions: Place, away: Place
) -> None:
    session = await customer.supabase.auth.get_session()
    assert session is not None
    environment = {
        "SUPABASE_URL": stack.supabase_url,
        "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
        "ACCESS_TOKEN": session.access_token,
        "PHOTO": await customer.upload(),
        "FUNCTIONS": orjson.dumps(dict(functions)).decode(),
        "AWAY": orjson.dumps(dict(away)).decode(),
    }
    process = await asyncio.create_subprocess_exec(
        node(), str(JS / "functions.mjs"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    assert orjson.loads(output) == EXPECTED


async def test_supabase_py_gets_the_finished_result(
    stack: Stack, customer: Customer, functions: Place, away: Place
) -> None:
    nobody = await acreate_client(
        stack.supabase_url, stack.publishable_key, AsyncClientOptions(auto_refresh_token=False)
    )
    facts = await app.run(customer.supabase, nobody, await customer.upload(), functions, away)
    assert facts == EXPECTED


async def test_one_credit_is_paid_for_each_result_and_none_for_a_refusal(customer: Customer, functions: Place) -> None:
    path = await customer.upload()
    client = customer.supabase
    await app.invoke(client, functions, "analyze-face", {"originalImageStoragePath": path})
    await app.invoke(client, functions, "analyze-face", {"originalImageStoragePath": path})
    with pytest.raises(FunctionsHttpError):
        await app.invoke(client, functions, "analyze-face", {"originalImageStoragePath": f"{path}.nothing"})
    me = await client.from_("users").select("credits").single().execute()
    assert me.data == {"credits": 9}
    assert set(functions) == set(NAMES)
