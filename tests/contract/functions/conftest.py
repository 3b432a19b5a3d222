"""One whole embedded stack, and the functions before its intake in both places."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests.contract.functions.places import NAMES, Place, deno, gateway
from tests.support.customers import Customer, signed_in
from tests.support.forwarder import Forwarder, forwarding
from tests.support.stack import temporary_stack


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with temporary_stack() as stack:
        yield stack


@pytest.fixture
async def customer(stack: Stack) -> AsyncIterator[Customer]:
    async with signed_in(stack) as customer:
        yield customer


@pytest.fixture(params=["gateway", "deno"])
async def functions(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> AsyncIterator[Place]:
    """Where an app finds them: in the stack's own gateway, and as a deployment runs them."""
    if request.param == "gateway":
        yield dict.fromkeys(NAMES, f"{stack.supabase_url}/functions/v1")
    else:
        async with deno(stack.intake_url, tmp_path / "deno.log") as place:
            yield place


@pytest.fixture
async def wire(stack: Stack) -> AsyncIterator[Forwarder]:
    """The way to the intake, which a test can cut."""
    async with forwarding(stack.ports.intake) as wire:
        yield wire


@pytest.fixture
async def fragile(request: pytest.FixtureRequest, wire: Forwarder, log: Path) -> AsyncIterator[Place]:
    """The functions, as the test asks for, at the other end of that way."""
    intake = f"http://127.0.0.1:{wire.port}"
    async with gateway(intake) if request.param == "gateway" else deno(intake, log) as place:
        yield place


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the functions under Deno say."""
    return tmp_path / "fragile.log"
