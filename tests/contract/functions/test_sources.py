"""The files that are deployed: sound by Deno's own checks, and useless without an intake."""

import re
import subprocess
from pathlib import Path

import pytest

from deploy.local.supabase import functions
from tests.contract.functions.places import NAMES, SOURCES
from tests.support.node import deno


def _run(scratch: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {"DENO_DIR": str(scratch), "NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1"}
    return subprocess.run(
        [deno(), *arguments], cwd=SOURCES, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("check", ["check", "lint", "fmt --check"])
def test_the_sources_pass(tmp_path: Path, check: str) -> None:
    outcome = _run(tmp_path, *check.split(), ".")
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("value", [None, "", "not an address"])
def test_without_the_intakes_address_nothing_starts(tmp_path: Path, value: str | None) -> None:
    environment = {"DENO_DIR": str(tmp_path)} | ({} if value is None else {"SPARKY_INTAKE_URL": value})
    for name in NAMES:
        outcome = subprocess.run(
            [deno(), "run", "--no-prompt", "--allow-net", "--allow-env=SPARKY_INTAKE_URL", f"{name}/index.ts"],
            cwd=SOURCES, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert outcome.returncode != 0
        assert "Invalid URL" in outcome.stderr


def test_both_places_wait_equally_long_and_answer_before_anybody_gives_up() -> None:
    """Many clients give up after a minute, and the platform after 150 seconds."""
    source = (SOURCES / "_shared" / "forward.ts").read_text()
    found = re.findall(r"^const (\w+) = ([\d_]+)", source, re.MULTILINE)
    constants = {name: int(value.replace("_", "")) for name, value in found}
    assert constants["WAIT_SECONDS"] == functions.WAIT_SECONDS < 60
    assert constants["DEADLINE_MS"] / 1000 == functions.DEADLINE_SECONDS < 150
    assert constants["RETRY_SECONDS"] == functions.RETRY_SECONDS
