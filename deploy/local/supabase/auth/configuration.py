"""What the project says about Auth: `deploy/supabase/config.toml` and its mail templates, the files that a deployment
pushes. Read once, at import, so that the stand-in asks, mails and expires as the hosted service does."""

import html
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[3] / "supabase"
TOKEN = re.compile(r"\{\{\s*\.Token\s*\}\}")
ELEMENT = re.compile(r"<[^>]+>")


@dataclass(frozen=True)
class Template:
    """One mail: its subject, and a page of HTML in which the code is the only variable."""

    subject: str
    content: str

    def page(self, code: str) -> str:
        """The mail as HTML."""
        return TOKEN.sub(code, self.content)

    def text(self, code: str) -> str:
        """The mail as plain text, a line for each of the page's."""
        lines = (html.unescape(ELEMENT.sub("", line)).strip() for line in self.page(code).splitlines())
        return "\n\n".join(filter(None, lines)) + "\n"


@dataclass(frozen=True)
class Configuration:
    """The part of the section `auth` that the stand-in acts on. Durations are in seconds."""

    access_token_seconds: int
    code_digits: int
    code_seconds: int
    both_addresses_confirm: bool
    password_length: int
    templates: dict[str, Template]


def load(project: Path = PROJECT) -> Configuration:
    """Raises `KeyError` or `OSError` when the project does not say what the stand-in must know."""
    auth: dict[str, Any] = tomllib.loads((project / "config.toml").read_text())["auth"]
    email = auth["email"]
    return Configuration(
        access_token_seconds=auth["jwt_expiry"],
        code_digits=email["otp_length"],
        code_seconds=email["otp_expiry"],
        both_addresses_confirm=email["double_confirm_changes"],
        password_length=auth["minimum_password_length"],
        templates={
            # The command line reads these paths from the folder above `supabase`.
            name: Template(entry["subject"], (project.parent / entry["content_path"]).read_text())
            for name, entry in email["template"].items()
        },
    )


CONFIGURATION = load()
