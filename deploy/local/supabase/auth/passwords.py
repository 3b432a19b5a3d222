"""Passwords: what is accepted, and how they are kept (scrypt, salted, the parameters in the stored text)."""

import asyncio
import base64
import hashlib
import hmac
import os

from deploy.local.supabase.auth.configuration import CONFIGURATION
from deploy.local.supabase.auth.errors import AuthError, invalid

MIN_LENGTH = CONFIGURATION.password_length
MAX_BYTES = 72  # what bcrypt, which hosted Auth uses, can take
COST, BLOCK, PARALLEL = 2**14, 8, 1


def check_strength(password: str) -> None:
    """Raises `AuthError` for a password that hosted Auth would not take."""
    if not password:
        raise invalid("Signup requires a valid password")
    if len(password.encode()) > MAX_BYTES:
        raise invalid(f"Password cannot be longer than {MAX_BYTES} characters")
    if len(password) < MIN_LENGTH:
        message = f"Password should be at least {MIN_LENGTH} characters."
        raise AuthError(422, "weak_password", message, weak_password={"reasons": ["length"]})


async def hash_password(password: str) -> str:
    """The text to keep in `encrypted_password`. Takes tens of milliseconds, in a thread."""
    salt = os.urandom(16)
    digest = await asyncio.to_thread(_scrypt, password, salt)
    return f"scrypt${COST}${BLOCK}${PARALLEL}${_text(salt)}${_text(digest)}"


async def matches(password: str, stored: str | None) -> bool:
    """Takes as long for a user who does not exist (`None`) or has no password as for a wrong one."""
    parts = (stored or "").split("$")
    known = len(parts) == 6 and parts[0] == "scrypt"
    salt = base64.b64decode(parts[4]) if known else bytes(16)
    digest = await asyncio.to_thread(_scrypt, password, salt)
    return known and hmac.compare_digest(digest, base64.b64decode(parts[5]))


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=COST, r=BLOCK, p=PARALLEL, dklen=32)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
