"""Which backend the console works on: the configured one, or else the embedded stack that runs."""

import os
from pathlib import Path

import orjson

from schemas.settings import Settings


class NoEnvironmentError(Exception):
    """Nothing is configured and nothing runs."""


def find_settings(directory: Path) -> Settings:
    """The worker's settings: from the environment and `.env` where DATABASE_URL is, else from `stack.json` in the
    folder. Raises `NoEnvironmentError`."""
    configured = bool(os.environ.get("DATABASE_URL")) or _names_a_database(Path(".env"))
    if configured:
        return Settings()
    try:
        described = orjson.loads((directory / "stack.json").read_bytes())
    except FileNotFoundError:
        raise NoEnvironmentError(f"DATABASE_URL is not set, and no stack runs in {directory}") from None
    values = {name.lower(): value for name, value in described["worker_environment"].items()}
    return Settings(_env_file=None, **values)


def _names_a_database(file: Path) -> bool:
    return file.is_file() and any(line.strip().startswith("DATABASE_URL=") for line in file.read_text().splitlines())
