"""What importing the worker's settings module says when the environment is wrong, and what it offers arq."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
COMPLETE = {
    "DATABASE_URL": "postgresql://unused",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SUPABASE_URL": "http://127.0.0.1:1",
    "SUPABASE_SECRET_KEY": "unused",
    "GEMINI_API_KEY": "unused",
}


def started(environment: dict[str, str], tmp_path: Path, *arguments: str) -> tuple[int, list[str]]:
    """Exit code and error lines of arq's command line."""
    done = subprocess.run(
        [sys.executable, "-m", "arq", "worker.main.WorkerSettings", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **environment},
        cwd=tmp_path,  # without a .env
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("missing", COMPLETE)
def test_a_missing_setting_is_named_in_one_line(missing: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in COMPLETE.items() if name != missing}

    code, lines = started(environment, tmp_path)

    assert code == 1
    assert len(lines) == 1
    assert missing in lines[0]


@pytest.mark.parametrize(("name", "value"), [("WORKER_LEASE_SECONDS", "4"), ("WORKER_MAX_JOBS", "none")])
def test_a_wrong_setting_is_named_in_one_line(name: str, value: str, tmp_path: Path) -> None:
    code, lines = started({**COMPLETE, name: value}, tmp_path)

    assert code == 1
    assert len(lines) == 1
    assert name in lines[0]
