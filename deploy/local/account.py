"""The unprivileged account that PostgreSQL runs under when we are root (it refuses root), and places it can enter."""

import hashlib
import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

SHARED_ROOT = Path("/var/tmp")  # noqa: S108 - survives a reboot; only folders that `private_place` vouches for


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int

    def can(self, *argv: str | Path) -> bool:
        """Whether this command succeeds when the account runs it: the honest test of what it may reach."""
        try:
            done = subprocess.run(
                [str(part) for part in argv],
                user=self.uid,
                group=self.gid,
                extra_groups=[],
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0

    def can_enter(self, folder: Path) -> bool:
        return self.can("/bin/sh", "-c", 'cd "$1"', "sh", folder)


def unprivileged_account() -> Account | None:
    """The account to run under; None when we are an ordinary user already."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def private_place(*identity: str) -> Path:
    """A folder outside the clone that everybody may enter and only root may change, one for each identity.

    Raises PermissionError when somebody else already has something under its name.
    """
    place = SHARED_ROOT / f"sparky-{hashlib.sha256('|'.join(identity).encode()).hexdigest()[:16]}"
    try:
        place.mkdir(mode=0o755)
        place.chmod(0o755)  # whatever the umask
    except FileExistsError:
        found = place.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise PermissionError(f"{place} exists and is not a folder of ours") from None
    return place
