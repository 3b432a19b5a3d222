"""What the genuine Supabase CLI sends to a hosted project: Auth's settings from `config.toml`, and the functions."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.supabase.auth.configuration import CONFIGURATION, PROJECT
from deploy.local.supabase.functions import FORWARDED

CLI = Path(__file__).with_name("cli") / "node_modules" / ".bin" / "supabase"
DEADLINE_SECONDS = 120
REF = "abcdefghijklmnopqrst"
ENVIRONMENT = {
    "SITE_URL": "https://sparky.example",
    "SMTP_HOST": "mail.example",
    "SMTP_USER": "mailer",
    "SMTP_PASS": "a secret of the mail server",
    "SMTP_SENDER": "no-reply@sparky.example",
}


@dataclass
class Management:
    """A Management API of a project whose Auth is as Supabase makes it; it keeps what it is sent, applying nothing."""

    url: str = ""
    sent: dict[str, Any] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)

    async def config(self, _: Request) -> Response:
        auth = {"mailer_autoconfirm": True, "mailer_otp_length": 8, "site_url": "http://localhost:3000"}
        return JSONResponse({"data": {"type": "project_config", "id": REF, "attributes": {"auth": auth}}})

    async def addons(self, _: Request) -> Response:
        return JSONResponse({"selected_addons": [], "available_addons": []})

    async def change(self, request: Request) -> Response:
        self.sent.update(orjson.loads(await request.body()))
        return JSONResponse({"message": "Nothing is changed here"}, 400)

    async def deploy(self, request: Request) -> Response:
        self.functions[request.query_params["slug"]] = (await request.body()).decode()
        return JSONResponse({"message": "Nothing is deployed here"}, 400)

    async def deployed(self, _: Request) -> Response:
        return JSONResponse([])


@pytest.fixture
async def management() -> AsyncIterator[Management]:
    api = Management()
    app = Starlette(
        routes=[
            Route(f"/v2/projects/{REF}/config", api.config),
            Route(f"/v1/projects/{REF}/billing/addons", api.addons),
            Route(f"/v1/projects/{REF}/config/auth", api.change, methods=["PATCH"]),
            Route(f"/v1/projects/{REF}/functions", api.deployed),
            Route(f"/v1/projects/{REF}/functions/deploy", api.deploy, methods=["POST"]),
        ]
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        api.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        serving = asyncio.create_task(server.serve([listener]))
        yield api
        server.should_exit = True
        await serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of `deploy/`, as the command writes notes beside the files that it reads."""
    if not CLI.exists():
        pytest.skip("the Supabase CLI is not installed: `make test` installs it")
    shutil.copytree(PROJECT, tmp_path / "supabase")
    return tmp_path


async def push(folder: Path, management: Management, environment: dict[str, str]) -> str:
    """Push the settings in the folder and answer what the command said."""
    arguments = ("config", "push", f"--remote={REF}", "--yes", "--profile", _profile(folder, management))
    return (await supabase(folder, *arguments, **environment))[0]


def _profile(folder: Path, management: Management) -> str:
    """A file that tells the command where the Management API is."""
    profile = folder / "profile.yaml"
    profile.write_text(
        f"name: test\napi_url: {management.url}\ndashboard_url: {management.url}\nproject_host: supabase.red\n"
    )
    return str(profile)


async def supabase(folder: Path, *arguments: str, **environment: str) -> tuple[str, str]:
    """Run the command; what it printed, all of it and that on its standard output."""
    process = await asyncio.create_subprocess_exec(
        str(CLI), *arguments, "--workdir", str(folder),
        env={
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "HOME": str(folder), "DO_NOT_TRACK": "1", "SUPABASE_TELEMETRY_DISABLED": "1", "NO_PROXY": "127.0.0.1",
            "SUPABASE_ACCESS_TOKEN": f"sbp_{'0' * 40}", **environment,
        },
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return (output + errors).decode(), output.decode()


async def test_a_push_makes_auth_what_the_product_promises(folder: Path, management: Management) -> None:
    said = await push(folder, management, ENVIRONMENT)
    expected = {
        "site_url": "https://sparky.example",
        "disable_signup": False,
        "external_anonymous_users_enabled": False,
        "mailer_autoconfirm": False,
        "mailer_otp_length": 6,
        "mailer_otp_exp": 3600,
        "mailer_secure_email_change_enabled": True,
        "smtp_host": "mail.example",
        "smtp_port": "587",
        "smtp_user": "mailer",
        "smtp_pass": "a secret of the mail server",
        "smtp_admin_email": "no-reply@sparky.example",
        "smtp_max_frequency": 60,
        "rate_limit_email_sent": 300,
        "rate_limit_verify": 30,
        "jwt_exp": 3600,
        "refresh_token_rotation_enabled": True,
        "password_min_length": 8,
    }
    for name, template in CONFIGURATION.templates.items():
        expected[f"mailer_subjects_{name}"] = template.subject
        expected[f"mailer_templates_{name}_content"] = template.content
    assert {name: management.sent.get(name) for name in expected} == expected, said
    assert "a secret of the mail server" not in said


async def test_without_a_mail_server_nothing_is_pushed(folder: Path, management: Management) -> None:
    said = await push(folder, management, {"SITE_URL": "https://sparky.example"})
    assert management.sent == {}
    assert "smtp_admin_email" in said


async def test_the_example_environment_leaves_mails_to_a_mail_catcher(folder: Path, management: Management) -> None:
    (folder / "supabase" / ".env.example").rename(folder / "supabase" / ".env")
    said = await push(folder, management, {})
    assert management.sent["smtp_host"] == "", said
    assert management.sent["site_url"] == "http://127.0.0.1:3000"
    assert management.sent["mailer_otp_length"] == 6


async def test_a_stack_signs_with_a_key_of_its_own_when_the_environment_names_its_file(folder: Path) -> None:
    _, key = await supabase(folder, "gen", "signing-key", "--algorithm", "ES256")
    assert orjson.loads(key)["alg"] == "ES256"
    nowhere = ("migration", "list", "--remote", "postgresql://nobody:nothing@127.0.0.1:1/none")
    named = {**ENVIRONMENT, "SUPABASE_AUTH_SIGNING_KEYS_PATH": "./signing_keys.json"}
    said, _ = await supabase(folder, *nowhere, **named)
    assert "failed to read signing keys" in said
    (folder / "supabase" / "signing_keys.json").write_text(f"[{key}]")
    said, _ = await supabase(folder, *nowhere, **named)
    assert "signing keys" not in said
    assert "connect" in said


async def test_functions_are_deployed_with_what_they_share_and_without_the_platforms_own_check(
    folder: Path, management: Management
) -> None:
    profile = _profile(folder, management)
    said, _ = await supabase(
        folder, "functions", "deploy", "--use-api", f"--remote={REF}", "--yes", "--profile", profile
    )
    assert set(management.functions) == set(FORWARDED), said
    for name, body in management.functions.items():
        assert f'filename="supabase/functions/{name}/index.ts"' in body
        assert 'filename="supabase/functions/_shared/forward.ts"' in body
        assert '"verify_jwt":false' in body
