"""Writes `docs/reference/configuration.md` from the settings; with `--check` fails when the page is not up to date."""

import inspect
import re
import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from schemas.settings import Settings

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "configuration.md"
INTRODUCTION = """# Configuration

Intake and worker read these variables from the environment, or from `.env` in the working directory. A value that does
not fit stops the process at once with a message that names the variable. This page is written by `make docs` from
`schemas/settings.py`.
"""


def page() -> str:
    """The page: a table for each group of settings, in the order of the source."""
    lines = [INTRODUCTION]
    for group, names in _groups().items():
        lines += [f"\n## {group}\n", "| variable | default | what it is |", "|---|---|---|"]
        for name in names:
            field = Settings.model_fields[name]
            lines.append(f"| `{name.upper()}` | {_default(field)} | {field.description} |")
    return "\n".join(lines) + "\n"


def _groups() -> dict[str, list[str]]:
    """Field names under the comment that stands above them in the source."""
    groups: dict[str, list[str]] = {}
    heading = ""
    for line in inspect.getsource(Settings).splitlines():
        if comment := re.fullmatch(r"    # (.+)", line):
            heading = comment[1]
        elif (field := re.match(r"    (\w+): ", line)) and field[1] in Settings.model_fields:
            groups.setdefault(heading, []).append(field[1])
    return groups


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return "required"
    if value is None or value == ():
        return "—"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main() -> None:
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text() != page():
            sys.exit(f"{PAGE.name} is not what the settings say: run `make docs`")
        return
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
