"""Each fault of a project's answers is found, and nothing else is."""

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.doctor.project import Project, examine_project
from deploy.local.supabase.auth.configuration import CONFIGURATION

URL = "https://abcdefgh.supabase.co"


class Hosted:
    """A project that answers as hosted Supabase and its Management API do; a test bends what it says."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {
            "external": {"email": True, "anonymous_users": False},
            "disable_signup": False,
            "mailer_autoconfirm": False,
        }
        self.keys: list[dict[str, str]] = [{"kty": "EC", "crv": "P-256", "kid": "a", "alg": "ES256"}]
        self.exposed = {"public"}
        self.auth: dict[str, Any] = {"mailer_otp_length": 6, "mailer_otp_exp": 3600} | {
            f"mailer_templates_{name}_content": "<p>{{ .Token }}</p>" for name in CONFIGURATION.templates
        }
        self.project = Project(URL, "sb_publishable_x", "sbp_token", management_url=URL)

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        if path == "/v1/projects/abcdefgh/config/auth":
            allowed = request.headers.get("authorization") == "Bearer sbp_token"
            return JSONResponse(self.auth) if allowed else Response(status_code=401)
        if request.headers.get("apikey") != "sb_publishable_x":
            return Response(status_code=401)
        if path.startswith("/rest/v1/"):
            return Response(status_code=401 if request.headers["accept-profile"] in self.exposed else 406)
        answers: dict[str, Any] = {
            "/auth/v1/health": {"name": "GoTrue"},
            "/auth/v1/settings": self.settings,
            "/auth/v1/.well-known/jwks.json": {"keys": self.keys},
        }
        return JSONResponse(answers[path])

    async def findings(self) -> list[str]:
        transport = httpx.ASGITransport(Starlette(routes=[Route("/{path:path}", self.answer)]))
        async with httpx.AsyncClient(transport=transport) as http:
            answers = await examine_project(http, self.project)
        return [finding.what for answer in answers for finding in answer.findings]


@pytest.fixture
def hosted() -> Hosted:
    return Hosted()


async def test_a_sound_project_has_nothing_wrong(hosted: Hosted) -> None:
    assert await hosted.findings() == []


async def test_confirmations_switched_off_are_found(hosted: Hosted) -> None:
    hosted.settings["mailer_autoconfirm"] = True
    assert await hosted.findings() == [
        "“Confirm email” is off: an account needs no code, so an address need not be one's own"
    ]


async def test_disabled_sign_ups_are_found(hosted: Hosted) -> None:
    hosted.settings["disable_signup"] = True
    assert await hosted.findings() == ["sign-ups are disabled: nobody new can get in"]


async def test_anonymous_sign_ins_are_found(hosted: Hosted) -> None:
    hosted.settings["external"]["anonymous_users"] = True
    assert await hosted.findings() == [
        "anonymous sign-ins are on: each one gets a free plan's credits without an address"
    ]


async def test_a_code_of_eight_digits_is_found(hosted: Hosted) -> None:
    hosted.auth["mailer_otp_length"] = 8
    assert await hosted.findings() == ["the code has 8 digits; apps ask for 6"]


async def test_a_code_that_is_good_for_a_day_is_found(hosted: Hosted) -> None:
    hosted.auth["mailer_otp_exp"] = 86400
    assert await hosted.findings() == ["a code is good for 86400 s, 3600 at most"]


@pytest.mark.parametrize(
    "link", ['<a href="{{ .ConfirmationURL }}">', "{{.SiteURL}}/confirm?t={{ .TokenHash }}", "https://example.com"]
)
async def test_a_link_in_the_mail_is_found(hosted: Hosted, link: str) -> None:
    hosted.auth["mailer_templates_confirmation_content"] = f"{{{{ .Token }}}} or {link}"
    assert await hosted.findings() == ["the mail “confirmation” has a link: mail scanners open it and use the code up"]


async def test_a_mail_without_the_code_is_found(hosted: Hosted) -> None:
    hosted.auth["mailer_templates_recovery_content"] = "Hello"
    assert await hosted.findings() == ["the mail “recovery” does not show the code"]


async def test_a_mail_that_was_never_set_is_found(hosted: Hosted) -> None:
    hosted.auth["mailer_templates_recovery_content"] = None
    assert await hosted.findings() == ["the mail “recovery” is the default one, which shows a link and no code"]


async def test_legacy_signing_is_found_unless_the_intake_has_the_secret(hosted: Hosted) -> None:
    hosted.keys = []
    assert await hosted.findings() == [
        "tokens are signed with the legacy shared secret (no public key is published): the intake refuses them"
    ]
    hosted.project = Project(URL, "sb_publishable_x", "sbp_token", URL, shared_secret=True)
    assert await hosted.findings() == []


async def test_a_published_secret_is_found(hosted: Hosted) -> None:
    hosted.keys[0]["d"] = "private"
    assert await hosted.findings() == ["the published keys ['a'] hold secrets: anybody can sign tokens"]


async def test_an_exposed_private_schema_is_found(hosted: Hosted) -> None:
    hosted.exposed.add("sparky")
    assert await hosted.findings() == ["the Data API shows the schema sparky (it answers 401 instead of 406)"]


async def test_without_a_management_token_the_mails_are_said_to_be_unchecked(hosted: Hosted) -> None:
    hosted.project = Project(URL, "sb_publishable_x", None, URL)
    hosted.auth["mailer_otp_length"] = 8
    assert await hosted.findings() == []


async def test_a_project_that_does_not_answer_is_found(hosted: Hosted) -> None:
    hosted.project = Project(URL, "sb_publishable_wrong", "sbp_token", URL)
    assert [what.partition(":")[0] for what in await hosted.findings()] == ["could not be asked"] * 2 + [
        "the Data API shows the schema sparky (it answers 401 instead of 406)",
        "the Data API shows the schema cache (it answers 401 instead of 406)",
    ]
