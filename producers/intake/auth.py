"""Who is calling: the user's access token, checked against the project's keys.

The algorithm hangs on the key and never on the token: a key from the JWKS is good for its own algorithm only, and HS256
only with the configured shared secret. Checked besides the signature: `iss`, `aud`, `exp`, `role`, `sub`.
"""

import re
import time
from dataclasses import dataclass
from uuid import UUID

import httpx
import jwt
import structlog
from starlette.requests import Request

from producers.intake.signing_keys import KeysUnavailableError, SigningKey, SigningKeys
from schemas.problems import ProblemError
from schemas.settings import Settings

AUDIENCE = ROLE = "authenticated"
LEEWAY_SECONDS = 10
_MAX_TOKEN = 8192
_REMEMBERED = 4096
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OPTIONS: jwt.types.Options = {"require": ["exp", "iss", "aud", "sub"]}


@dataclass(frozen=True, slots=True)
class _Checked:
    """A token that was found good: whose it is, the key that signed it (None: the shared secret), and until when."""

    user_id: UUID
    key_id: str | None
    key: SigningKey | None
    expires_at: float


class Authenticator:
    """Turns an `Authorization` header into a user's id, or into the problem that it is."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        self._issuer = settings.jwt_issuer
        secret = settings.supabase_jwt_secret
        self._secret = secret.get_secret_value() if secret is not None else None
        self._checked: dict[str, _Checked] = {}
        self.keys = SigningKeys(
            client,
            f"{settings.supabase_url.rstrip('/')}/auth/v1/.well-known/jwks.json",
            cache_seconds=settings.jwks_cache_seconds,
            refetch_seconds=settings.jwks_refetch_seconds,
        )

    async def user_id(self, request: Request) -> UUID:
        """The caller's id. Raises `ProblemError`: `unauthenticated`, or `unavailable` when no key can be fetched."""
        headers = request.headers.getlist("authorization")
        if not headers:
            raise ProblemError("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
        if len(headers) > 1:
            raise refused("There is more than one `Authorization` header.")
        user_id = await self.owner(headers[0])
        structlog.contextvars.bind_contextvars(user_id=str(user_id))
        return user_id

    async def owner(self, authorization: str) -> UUID:
        """The user whose token an `Authorization` header carries; raises as `user_id` does."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > _MAX_TOKEN:
            raise refused("The header is not `Authorization: Bearer <access token>`.")
        try:
            return (await self._known(token) or await self._check(token)).user_id
        except KeysUnavailableError:
            raise ProblemError("unavailable", "Signing keys cannot be fetched.", retry_after=2) from None
        except jwt.ExpiredSignatureError:
            raise refused("The token has expired.") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise refused("The token is not valid.") from None

    async def _known(self, token: str) -> _Checked | None:
        """A token checked before, while it lasts and its key is still the project's: signatures are dear to check."""
        known = self._checked.get(token)
        if known is None or known.expires_at <= time.time():
            return None
        if known.key_id is not None and await self.keys.get(known.key_id) is not known.key:
            return None
        return known

    async def _check(self, token: str) -> _Checked:
        header = jwt.get_unverified_header(token)
        key_id = header.get("kid")
        signing_key = None
        if header.get("alg") == "HS256":
            key_id, key, algorithm = None, self._secret, "HS256"
        else:
            signing_key = await self.keys.get(key_id) if isinstance(key_id, str) else None
            key, algorithm = (signing_key.key, signing_key.algorithm) if signing_key else (None, "")
        if key is None:
            raise refused("The token's key is not known.")
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=AUDIENCE,
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options=_OPTIONS,
        )
        checked = _Checked(_user(claims), key_id, signing_key, float(claims["exp"]))
        if len(self._checked) >= _REMEMBERED:
            self._checked.clear()
        self._checked[token] = checked
        return checked


def _user(claims: dict[str, object]) -> UUID:
    sub = claims["sub"]
    if claims.get("role") != ROLE or not isinstance(sub, str) or not _UUID.fullmatch(sub):
        raise refused("The token is not a user's.")
    if claims.get("is_anonymous") is True:
        raise refused("Anonymous users must sign up first.")
    return UUID(sub)


def refused(detail: str) -> ProblemError:
    """The 401 for a token that cannot be accepted; `detail` says why."""
    return ProblemError("unauthenticated", detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
