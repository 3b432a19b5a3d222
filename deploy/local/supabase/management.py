"""The one call of Supabase's Management API that `sparky doctor` makes: how a project's Auth is configured."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from deploy.local.supabase.auth.configuration import CONFIGURATION
from deploy.local.supabase.caller import CallerError, bearer_token, claims_of
from deploy.local.supabase.keys import Keys


def routes(keys: Keys) -> list[BaseRoute]:
    """The secret key takes the place of the personal access token; there is one project, whatever its name."""

    async def auth(request: Request) -> Response:
        try:
            allowed = claims_of(keys, bearer_token(request.headers) or "")["role"] == "service_role"
        except CallerError:
            allowed = False
        if not allowed:
            return JSONResponse({"message": "Unauthorized"}, status_code=401)
        return JSONResponse(
            {
                "mailer_autoconfirm": False,
                "mailer_otp_length": CONFIGURATION.code_digits,
                "mailer_otp_exp": CONFIGURATION.code_seconds,
                **{
                    f"mailer_templates_{name}_content": template.content
                    for name, template in CONFIGURATION.templates.items()
                },
            }
        )

    return [Route("/v1/projects/{ref}/config/auth", auth)]
