"""The stack's secrets: made once, kept privately."""

from pathlib import Path

import pytest

from deploy.local.keys import PLATFORM_ROLES, KeysUnreadable, load_keys
from deploy.local.supabase.keys import Keys as ProjectKeys


def test_keys_are_made_once(tmp_path: Path) -> None:
    assert load_keys(tmp_path / "keys.json") == load_keys(tmp_path / "keys.json")


def test_only_the_owner_reads_them(tmp_path: Path) -> None:
    load_keys(tmp_path / "keys.json")

    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_two_stacks_share_nothing(tmp_path: Path) -> None:
    one, other = load_keys(tmp_path / "one.json"), load_keys(tmp_path / "other.json")

    assert one.secret_key != other.secret_key
    assert one.stack_id != other.stack_id
    assert not set(one.passwords.values()) & set(other.passwords.values())


def test_the_supabase_stand_in_reads_the_same_file(tmp_path: Path) -> None:
    keys = load_keys(tmp_path / "keys.json")
    project = ProjectKeys.load(tmp_path / "keys.json")

    assert (project.publishable_key, project.secret_key) == (keys.publishable_key, keys.secret_key)
    assert project.verify(project.sign({"role": "authenticated", "exp": 2**40}))["role"] == "authenticated"


def test_our_own_roles_have_passwords_of_their_own(tmp_path: Path) -> None:
    passwords = load_keys(tmp_path / "keys.json").passwords

    assert len({passwords[role] for role in PLATFORM_ROLES}) == 1
    assert len(set(passwords.values())) == 4


def test_a_damaged_file_is_left_alone_and_named(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("{}")

    with pytest.raises(KeysUnreadable, match=r"keys\.json"):
        load_keys(file)
    assert file.read_text() == "{}"


def test_they_are_not_shown(tmp_path: Path) -> None:
    keys = load_keys(tmp_path / "keys.json")

    assert keys.secret_key not in f"{keys!r} {keys}"
