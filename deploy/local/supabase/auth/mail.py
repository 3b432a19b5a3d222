"""Mails are files: one `.eml` a mail for people, and `index.jsonl` for programs. Their words are the project's own."""

import asyncio
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

import orjson

from deploy.local.supabase.auth.configuration import CONFIGURATION

Kind = Literal["signup", "magiclink", "recovery", "email_change"]
TEMPLATES: dict[Kind, str] = {
    "signup": "confirmation",
    "magiclink": "magic_link",
    "recovery": "recovery",
    "email_change": "email_change",
}
UNSAFE = re.compile(r"[^A-Za-z0-9.@_-]")


class Outbox:
    """Appends mails to a folder that only this process writes. A mail shows its code and no link."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = folder / "index.jsonl"
        self._count = len(self.mails())

    async def send(self, to: str, kind: Kind, code: str) -> None:
        """Returns when both files are written."""
        self._count += 1
        await asyncio.to_thread(self._write, self._count, to, kind, code)

    def mails(self) -> list[dict[str, Any]]:
        """All mails, oldest first: `id to kind subject code text sent_at file`."""
        if not self._index.exists():
            return []
        return [orjson.loads(line) for line in self._index.read_bytes().splitlines()]

    def _write(self, number: int, to: str, kind: Kind, code: str) -> None:
        template = CONFIGURATION.templates[TEMPLATES[kind]]
        text = template.text(code)
        now = datetime.now(UTC)
        message = EmailMessage()
        message["From"] = "Sparky <no-reply@sparky.local>"
        message["To"] = to
        message["Subject"] = template.subject
        message["Date"] = now
        message.set_content(text)
        message.add_alternative(template.page(code), subtype="html")
        file = f"{number:05d}-{kind}-{UNSAFE.sub('_', to)[:80]}.eml"
        _append(self._folder / file, message.as_bytes())
        entry = {
            "id": number,
            "to": to,
            "kind": kind,
            "subject": template.subject,
            "code": code,
            "text": text,
            "sent_at": now.isoformat(),
            "file": file,
        }
        _append(self._index, orjson.dumps(entry) + b"\n")


def _append(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    with path.open("ab") as file:
        file.write(content)
