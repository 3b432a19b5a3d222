"""Who is calling: from `apikey` and `Authorization` to claims with a role, as Supabase's gateway does it."""

import hmac
from typing import Any

from starlette.datastructures import Headers, QueryParams

from deploy.local.supabase.keys import Keys, TokenError


class CallerError(Exception):
    """No usable key or token. `by_gateway` tells a missing or wrong API key from a bad user token. HTTP 401."""

    def __init__(self, message: str, *, by_gateway: bool = True, expired: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.by_gateway = by_gateway
        self.expired = expired


def resolve(keys: Keys, headers: Headers, query: QueryParams, *, need_apikey: bool = True) -> dict[str, Any]:
    """Claims of the caller: of the user's token if there is one, else of the API key. Raises `CallerError`.

    Storage passes `need_apikey=False`: there a token alone is enough.
    """
    apikey = headers.get("apikey") or query.get("apikey")
    bearer = bearer_token(headers)
    if apikey is None and (need_apikey or bearer is None):
        raise CallerError("No API key found in request")
    key_claims = claims_of(keys, apikey) if apikey is not None else None
    if key_claims is not None and key_claims["role"] == "service_role" and "Mozilla/" in headers.get("user-agent", ""):
        raise CallerError("Forbidden use of secret API key in browser")
    if bearer is None or bearer == apikey:
        assert key_claims is not None
        return key_claims
    if bearer.startswith("sb_") and apikey is not None:
        raise CallerError("Authorization carries another API key")
    return claims_of(keys, bearer)


def bearer_token(headers: Headers) -> str | None:
    """The token of the `Authorization` header, if any."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def claims_of(keys: Keys, credential: str) -> dict[str, Any]:
    """Claims of one API key or one JWT. Raises `CallerError`."""
    if credential.startswith("sb_"):
        given = credential.encode()
        if hmac.compare_digest(given, keys.secret_key.encode()):
            return {"role": "service_role"}
        if hmac.compare_digest(given, keys.publishable_key.encode()):
            return {"role": "anon"}
        raise CallerError("Invalid API key")
    try:
        return keys.verify(credential)
    except TokenError as error:
        raise CallerError(str(error), by_gateway=False, expired=error.expired) from error
