"""Supabase Auth: `routes(context, outbox)`. Sign-up needs confirmation by a six-digit code that lands in the outbox."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from deploy.local.supabase.auth import account, admin, signup, tokens, verify
from deploy.local.supabase.auth.errors import Handler, endpoint
from deploy.local.supabase.auth.mail import Outbox
from deploy.local.supabase.auth.service import Auth
from deploy.local.supabase.context import Context

HANDLERS: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/signup", signup.sign_up),
    ("POST", "/otp", signup.sign_in_with_otp),
    ("POST", "/resend", signup.resend),
    ("POST", "/recover", signup.recover),
    ("POST", "/verify", verify.verify),
    ("POST", "/token", tokens.token),
    ("GET", "/user", account.get_user),
    ("PUT", "/user", account.update_user),
    ("POST", "/logout", account.log_out),
    ("POST", "/admin/users", admin.create_user),
    ("GET", "/admin/users", admin.list_users),
    ("GET", "/admin/users/{id}", admin.get_user),
    ("DELETE", "/admin/users/{id}", admin.delete_user),
)


def routes(context: Context, outbox: Outbox) -> list[BaseRoute]:
    """Everything below `/auth/v1`."""
    auth = Auth(context, outbox)

    async def jwks(_: Request) -> Response:
        return JSONResponse(context.keys.jwks, headers={"cache-control": "public, max-age=600"})

    async def settings(_: Request) -> Response:
        return JSONResponse(
            {
                "external": {"email": True, "phone": False, "anonymous_users": False},
                "disable_signup": False,
                "mailer_autoconfirm": False,
                "phone_autoconfirm": False,
                "sms_provider": "",
                "saml_enabled": False,
            }
        )

    async def health(_: Request) -> Response:
        return JSONResponse({"name": "GoTrue", "version": "local", "description": "Local stand-in"})

    return [
        Route("/auth/v1/.well-known/jwks.json", jwks),
        Route("/auth/v1/settings", settings),
        Route("/auth/v1/health", health),
        *(Route(f"/auth/v1{path}", endpoint(auth, handler), methods=[verb]) for verb, path, handler in HANDLERS),
    ]
