"""The secrets of one embedded stack: made once, kept in one file that only its owner can read."""

import os
import secrets
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.local.supabase.keys import Keys as ProjectKeys

PLATFORM_ROLES = (
    "supabase_admin",
    "authenticator",
    "supabase_auth_admin",
    "supabase_storage_admin",
    "supabase_realtime_admin",
)
OWN_ROLES = ("postgres", "sparky_intake", "sparky_worker")


class KeysUnreadable(ValueError):  # noqa: N818 - it is what is wrong
    """The keys file is damaged. The data it opened stays where it is."""


class StackKeys(BaseModel):
    """The project's API keys and signing key, and the roles' passwords. `stack_id` names the data they open."""

    model_config = ConfigDict(frozen=True)

    stack_id: str
    publishable_key: str
    secret_key: str
    jwk: dict[str, str]
    passwords: dict[str, str]  # the platform's roles share one: the stand-in is one process

    def __repr__(self) -> str:
        return f"StackKeys(stack_id={self.stack_id!r}, …)"

    __str__ = __repr__


def load_keys(file: Path) -> StackKeys:
    """The keys in `file`; made and written there first when there is none.

    Raises `KeysUnreadable` for a file that holds something else.
    """
    try:
        return StackKeys.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise KeysUnreadable(f"{file} does not hold a stack's keys; remove it to begin with fresh data") from error
    except FileNotFoundError:
        keys = _new_keys()
    write_private(file, keys.model_dump())
    return keys


def write_private(file: Path, content: object) -> None:
    """Write JSON that only the owner can read; readers see the old content or the new, never half of it."""
    scratch = file.with_name(f"{file.name}.new")
    scratch.unlink(missing_ok=True)
    scratch.touch(mode=0o600, exist_ok=False)
    scratch.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    os.replace(scratch, file)


def _new_keys() -> StackKeys:
    project = ProjectKeys.generate()
    platform = secrets.token_urlsafe(24)
    return StackKeys(
        stack_id=secrets.token_hex(4),
        publishable_key=project.publishable_key,
        secret_key=project.secret_key,
        jwk=dict(project.jwk),
        passwords=dict.fromkeys(PLATFORM_ROLES, platform) | {role: secrets.token_urlsafe(24) for role in OWN_ROLES},
    )
