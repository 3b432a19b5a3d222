"""Places outside the clone: ours, or not used."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local import account, installation
from deploy.local.account import Account, private_place, unprivileged_account
from deploy.local.installation import installation_in_wheel, reachable_by


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(account, "SHARED_ROOT", tmp_path)
    return tmp_path


def test_a_place_is_the_same_each_time_and_another_for_another_identity(shared: Path) -> None:
    assert private_place("a", "b") == private_place("a", "b")
    assert private_place("a", "b") != private_place("a", "c")
    assert private_place("a").stat().st_mode & 0o777 == 0o755


def test_a_link_planted_under_its_name_is_refused(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = private_place("a")
    place.rmdir()
    place.symlink_to(tmp_path_factory.mktemp("elsewhere"))

    with pytest.raises(PermissionError, match="not a folder of ours"):
        private_place("a")


def test_a_folder_that_others_may_write_to_is_refused(shared: Path) -> None:
    private_place("a").chmod(0o777)

    with pytest.raises(PermissionError, match="not a folder of ours"):
        private_place("a")


@pytest.fixture
async def readable_root(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """A folder in /var/tmp that everybody may enter, in place of /var/tmp itself."""
    root = account.SHARED_ROOT / f"sparky-test-{id(monkeypatch)}"
    root.mkdir(mode=0o755)
    monkeypatch.setattr(account, "SHARED_ROOT", root)
    yield root
    shutil.rmtree(root)


async def test_a_wheel_in_a_private_folder_is_copied_to_where_the_account_can_run_it(
    readable_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody = unprivileged_account()
    if somebody is None:
        pytest.skip("only root runs PostgreSQL under another account")
    wheel = installation_in_wheel().bin_dir.parents[1]
    private = tmp_path / wheel.name
    private.symlink_to(wheel)
    private.with_name(f"{wheel.name}.libs").symlink_to(wheel.with_name(f"{wheel.name}.libs"))
    monkeypatch.setattr(installation, "_wheel_folder", lambda: private)

    found = reachable_by(somebody, installation_in_wheel())

    assert found.bin_dir.is_relative_to(readable_root)
    assert somebody.can(found.program("initdb"), "--version")
    assert reachable_by(somebody, installation_in_wheel()) == found


def test_what_an_account_cannot_run_is_said(tmp_path: Path) -> None:
    assert not Account(65534, 65534).can(tmp_path / "nothing")
