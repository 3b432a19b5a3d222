"""The project's keys: two API keys, the ES256 key that signs users' tokens, an HS256 secret where one is wanted.

The file is JSON: `publishable_key`, `secret_key`, `jwk` (private, EC P-256, with `kid`), optional `hs256_secret`.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

Claims = Mapping[str, Any]
ROLES = frozenset({"anon", "authenticated", "service_role"})


class TokenError(Exception):
    """A token that is malformed, expired, signed by another key, or for a role that does not exist."""

    def __init__(self, message: str, *, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


@dataclass(frozen=True)
class Keys:
    """All keys of one local project. `repr` shows none of them."""

    publishable_key: str
    secret_key: str
    jwk: Mapping[str, str]
    hs256_secret: str | None = None

    def __repr__(self) -> str:
        return "Keys(…)"

    @classmethod
    def load(cls, path: Path) -> "Keys":
        """Raises `KeyError` or `ValueError` when the file is no keys file."""
        content = orjson.loads(path.read_bytes())
        return cls(
            publishable_key=content["publishable_key"],
            secret_key=content["secret_key"],
            jwk=content["jwk"],
            hs256_secret=content.get("hs256_secret"),
        )

    @classmethod
    def generate(cls, hs256_secret: str | None = None) -> "Keys":
        """New random keys in the form of Supabase's."""
        jwk = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        return cls(
            publishable_key=f"sb_publishable_{secrets.token_urlsafe(24)}",
            secret_key=f"sb_secret_{secrets.token_urlsafe(24)}",
            jwk={**jwk, "kid": secrets.token_hex(16), "alg": "ES256", "use": "sig"},
            hs256_secret=hs256_secret,
        )

    def save(self, path: Path) -> None:
        """Readable by the owner only, from its first byte."""
        path.touch(mode=0o600)
        content = {"publishable_key": self.publishable_key, "secret_key": self.secret_key, "jwk": dict(self.jwk)}
        if self.hs256_secret is not None:
            content["hs256_secret"] = self.hs256_secret
        path.write_bytes(orjson.dumps(content))

    @property
    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The public half, as `/auth/v1/.well-known/jwks.json` serves it. A shared secret is never listed."""
        public = {name: self.jwk[name] for name in ("kty", "crv", "x", "y", "kid")}
        return {"keys": [{**public, "alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": True}]}

    @cached_property
    def _private(self) -> Any:
        return jwt.PyJWK({**self.jwk}, algorithm="ES256").key

    @cached_property
    def _public(self) -> Any:
        return self._private.public_key()

    def sign(self, claims: Claims) -> str:
        """A user's access token."""
        return jwt.encode(dict(claims), self._private, algorithm="ES256", headers={"kid": self.jwk["kid"]})

    def verify(self, token: str) -> dict[str, Any]:
        """Claims of a token we signed, or that the shared secret signed where there is one. Raises `TokenError`."""
        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
            if algorithm == "HS256" and self.hs256_secret is not None:
                claims = _decode(token, self.hs256_secret, "HS256")
            else:
                claims = _decode(token, self._public, "ES256")
        except jwt.ExpiredSignatureError as error:
            raise TokenError("JWT expired", expired=True) from error
        except jwt.InvalidTokenError as error:
            raise TokenError("JWT could not be verified") from error
        if claims.get("role") not in ROLES:
            raise TokenError("JWT names no known role")
        return claims

    def sign_url(self, purpose: Literal["download", "upload"], payload: Claims, seconds: int) -> str:
        """The token of a signed Storage URL; good for that purpose only, for so many seconds."""
        now = int(time.time())
        claims = {**payload, "purpose": purpose, "iat": now, "exp": now + seconds}
        return jwt.encode(claims, self.derived("storage-url"), algorithm="HS256")

    def verify_url(self, purpose: Literal["download", "upload"], token: str) -> dict[str, Any]:
        """What `sign_url` signed. Raises `TokenError`."""
        try:
            claims = _decode(token, self.derived("storage-url"), "HS256")
        except jwt.ExpiredSignatureError as error:
            raise TokenError('"exp" claim timestamp check failed', expired=True) from error
        except jwt.InvalidTokenError as error:
            raise TokenError("invalid signature") from error
        if claims.get("purpose") != purpose:
            raise TokenError("invalid signature")
        return claims

    def derived(self, purpose: str) -> bytes:
        """A secret for one purpose, the same after a restart."""
        return hmac.digest(self.secret_key.encode(), purpose.encode(), hashlib.sha256)


def _decode(token: str, key: Any, algorithm: str) -> dict[str, Any]:
    # `iat` of a client's clock that runs ahead is no reason to refuse; neither PostgREST nor Storage checks `aud`.
    return jwt.decode(
        token, key, algorithms=[algorithm], options={"require": ["exp"], "verify_aud": False, "verify_iat": False}
    )
