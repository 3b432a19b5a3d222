"""The project around the database, asked over HTTP: sign-up, signing keys, mails, and what the Data API shows.

The length of the code and the mails' text are told only by Supabase's Management API, which wants a personal access
token. What they should be is read from `deploy/supabase/config.toml`.
"""

import re
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from deploy.doctor.examination import Answer
from deploy.doctor.family import Finding

CONFIG = Path(__file__).parents[1] / "supabase" / "config.toml"
MANAGEMENT = "https://api.supabase.com"
TOKEN = re.compile(r"\{\{\s*\.Token\s*\}\}")
LINK = re.compile(r"\{\{\s*\.(?:ConfirmationURL|TokenHash|RedirectTo|SiteURL)|href\s*=|https?://", re.IGNORECASE)
PUSH = "`supabase config push` with deploy/supabase/config.toml, or the same in the project's settings, under Auth"


@dataclass(frozen=True)
class Project:
    """A live project. `key` is any of its API keys. `shared_secret`: the intake accepts HS256 on purpose."""

    url: str
    key: str
    access_token: str | None = None
    management_url: str = MANAGEMENT
    shared_secret: bool = False

    @property
    def reference(self) -> str:
        """The project's name in the Management API: the first label of its host."""
        return (urlsplit(self.url).hostname or "").partition(".")[0]


Check = Callable[[httpx.AsyncClient, Project], Awaitable[Answer]]


async def examine_project(http: httpx.AsyncClient, project: Project) -> list[Answer]:
    """Never raises for what the project answers; what cannot be asked is a finding."""
    answers = []
    for name, check in CHECKS.items():
        try:
            answers.append(await check(http, project))
        except (httpx.HTTPError, ValueError, KeyError) as error:
            what = f"could not be asked: {type(error).__name__}: {error}"
            answers.append(Answer(name, "", (Finding(what, "check SUPABASE_URL, the keys, and that it is running"),)))
    return answers


async def sign_up(http: httpx.AsyncClient, project: Project) -> Answer:
    health = await http.get(f"{project.url}/auth/v1/health", headers={"apikey": project.key})
    health.raise_for_status()
    answer = await http.get(f"{project.url}/auth/v1/settings", headers={"apikey": project.key})
    settings = answer.raise_for_status().json()
    external, findings = settings["external"], []
    if settings["mailer_autoconfirm"]:
        what = "“Confirm email” is off: an account needs no code, so an address need not be one's own"
        findings.append(Finding(what, f"switch it on; what must go is the link in the mail, not the code. {PUSH}"))
    if settings["disable_signup"]:
        findings.append(Finding("sign-ups are disabled: nobody new can get in", PUSH))
    if not external["email"]:
        findings.append(Finding("signing up by e-mail is disabled", PUSH))
    if external.get("anonymous_users"):
        what = "anonymous sign-ins are on: each one gets a free plan's credits without an address"
        findings.append(Finding(what, PUSH))
    return Answer("sign-up", "Auth's health, confirmation, sign-ups, anonymous sign-ins", tuple(findings))


async def signing_keys(http: httpx.AsyncClient, project: Project) -> Answer:
    answer = await http.get(f"{project.url}/auth/v1/.well-known/jwks.json", headers={"apikey": project.key})
    keys = answer.raise_for_status().json()["keys"]
    findings = []
    if not keys and not project.shared_secret:
        what = "tokens are signed with the legacy shared secret (no public key is published): the intake refuses them"
        remedy = "move the project to asymmetric signing keys (Auth, JWT keys), or set SUPABASE_JWT_SECRET"
        findings.append(Finding(what, remedy))
    if secret := [key.get("kid") for key in keys if key.get("kty") == "oct" or "d" in key]:
        what = f"the published keys {secret} hold secrets: anybody can sign tokens"
        findings.append(Finding(what, "rotate the project's signing keys now"))
    return Answer("signing keys", f"{len(keys)} published keys, asymmetric", tuple(findings))


async def data_api(http: httpx.AsyncClient, project: Project) -> Answer:
    findings = []
    for schema, table in (("sparky", "holds"), ("cache", "kv_store")):
        headers = {"apikey": project.key, "accept-profile": schema}
        answer = await http.get(f"{project.url}/rest/v1/{table}?limit=0", headers=headers)
        if answer.status_code != httpx.codes.NOT_ACCEPTABLE:
            what = f"the Data API shows the schema {schema} (it answers {answer.status_code} instead of 406)"
            findings.append(Finding(what, f"take {schema} out of the exposed schemas: API settings, [api] schemas"))
    return Answer("Data API", "sparky and cache are not exposed", tuple(findings))


async def mails(http: httpx.AsyncClient, project: Project) -> Answer:
    if project.access_token is None:
        return Answer("mails", "code length and mail texts: SUPABASE_ACCESS_TOKEN is not set", skipped=True)
    answer = await http.get(
        f"{project.management_url}/v1/projects/{project.reference}/config/auth",
        headers={"authorization": f"Bearer {project.access_token}"},
    )
    live = answer.raise_for_status().json()
    wanted = tomllib.loads(CONFIG.read_text())["auth"]["email"]
    findings = []
    if live["mailer_otp_length"] != wanted["otp_length"]:
        what = f"the code has {live['mailer_otp_length']} digits; apps ask for {wanted['otp_length']}"
        findings.append(Finding(what, PUSH))
    if live["mailer_otp_exp"] > wanted["otp_expiry"]:
        findings.append(Finding(f"a code is good for {live['mailer_otp_exp']} s, {wanted['otp_expiry']} at most", PUSH))
    for template in wanted["template"]:
        findings += _read(template, live.get(f"mailer_templates_{template}_content"))
    return Answer("mails", f"code length and expiry, {len(wanted['template'])} mail texts", tuple(findings))


def _read(template: str, content: Any) -> list[Finding]:
    """Mail scanners open links, and an opened link uses the code up."""
    if not content:  # Supabase's own text
        return [Finding(f"the mail “{template}” is the default one, which shows a link and no code", PUSH)]
    findings = []
    if LINK.search(content):
        what = f"the mail “{template}” has a link: mail scanners open it and use the code up"
        findings.append(Finding(what, f"show the code alone, {{{{ .Token }}}}. {PUSH}"))
    if not TOKEN.search(content):
        findings.append(Finding(f"the mail “{template}” does not show the code", f"show {{{{ .Token }}}}. {PUSH}"))
    return findings


CHECKS: dict[str, Check] = {
    "sign-up": sign_up,
    "signing keys": signing_keys,
    "Data API": data_api,
    "mails": mails,
}
