"""What all handlers of Auth share."""

from dataclasses import dataclass, field
from uuid import UUID

from starlette.requests import Request

from deploy.local.supabase.auth.configuration import CONFIGURATION
from deploy.local.supabase.auth.mail import Outbox
from deploy.local.supabase.caller import CallerError, claims_of
from deploy.local.supabase.context import Context

ACCESS_TOKEN_SECONDS = CONFIGURATION.access_token_seconds
CODE_DIGITS = CONFIGURATION.code_digits
CODE_SECONDS = CONFIGURATION.code_seconds
CODE_GUESSES = 5


@dataclass(frozen=True)
class Auth:
    """The open context, the outbox, and how often each user's codes were guessed wrong since they were issued."""

    context: Context
    outbox: Outbox
    wrong_guesses: dict[UUID, int] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return f"{self.context.public_url}/auth/v1"


def require_apikey(auth: Auth, request: Request) -> None:
    """Any valid API key. The `Authorization` header is not looked at: clients send an old user's token with a new
    sign-in. Raises `CallerError`."""
    apikey = request.headers.get("apikey") or request.query_params.get("apikey")
    if apikey is None:
        raise CallerError("No API key found in request")
    claims_of(auth.context.keys, apikey)
