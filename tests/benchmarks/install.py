"""The peers' environments: one each under `.local/bench`, as their dependencies clash with arq's and each other's."""

import shutil
import subprocess
import sys

from tests.benchmarks.contestants import ENVIRONMENTS, PEERS, REQUIREMENTS

SECONDS = 600


def install_peers() -> dict[str, str]:
    """Make what is missing or has other versions; answers what could not be installed, and why."""
    failed = {}
    for package in sorted({peer.package for peer in PEERS if peer.package}):
        environment, wanted = ENVIRONMENTS / package, REQUIREMENTS / f"{package}.txt"
        installed = environment / "installed.txt"
        if installed.exists() and installed.read_text() == wanted.read_text():
            continue
        print(f"installing {package} into {environment.relative_to(ENVIRONMENTS.parents[1])}", flush=True)
        shutil.rmtree(environment, ignore_errors=True)
        pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        try:
            subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True, timeout=SECONDS)
            subprocess.run([*pip, "-r", str(wanted)], check=True, timeout=SECONDS, capture_output=True, text=True)
        except (subprocess.SubprocessError, OSError) as error:
            lines = str(getattr(error, "stderr", "") or error).strip().splitlines()
            failed[package] = f"not installed: {lines[-1] if lines else type(error).__name__}"
        else:
            installed.write_text(wanted.read_text())
    return failed
