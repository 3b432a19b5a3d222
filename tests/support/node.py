"""Node, and what npm installs for the tests. Where `make test` has not made it ready, the test is skipped by name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONTRACT = Path(__file__).parents[1] / "contract"
JS = CONTRACT / "js"
OLDEST_NODE = 22


def node() -> str:
    """Node, of the environment or of the machine, where the scripts of `tests/contract/js` find supabase-js."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("node", path=path)
    if found is None:
        pytest.skip("no Node here: `make test` installs it")
    version = subprocess.run([found, "--version"], check=True, capture_output=True, text=True, timeout=30).stdout
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node {version.strip()} is older than {OLDEST_NODE}: `make test` installs a newer one")
    if not (JS / "node_modules" / "@supabase" / "supabase-js").is_dir():
        pytest.skip("supabase-js is not installed: `make test` installs it")
    return found


def deno() -> str:
    """Deno itself, and not npm's script that would start it as a child."""
    found = next(CONTRACT.glob("tools/node_modules/@deno/*/deno"), None)
    if found is None:
        pytest.skip("Deno is not installed: `make test` installs it")
    return str(found)
