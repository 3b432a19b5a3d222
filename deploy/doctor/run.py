"""`sparky doctor`: examine the configured database and project, or the embedded stack, and say it in plain words."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import click
import httpx
import orjson
from dotenv import dotenv_values
from pydantic import TypeAdapter

from deploy.doctor.examination import Answer, CannotExamine, examine
from deploy.doctor.expectation import expectation_of_the_migrations
from deploy.doctor.project import MANAGEMENT, Project, examine_project
from deploy.local.stack import Stack, StackBusy
from deploy.local.up import EXPECTED

CALL_SECONDS = 20.0
SOUND, UNSOUND, UNKNOWN = 0, 1, 2


@dataclass(frozen=True)
class Patient:
    """What is examined. Without a project only the database is."""

    database_url: str
    project: Project | None
    results_private: bool


def run_doctor(database_url: str | None, directory: Path, env_file: Path) -> int:
    """0: nothing found. 1: findings, each printed with what to do. 2: it could not be examined."""
    environment = {name: value for name, value in dotenv_values(env_file).items() if value is not None} | os.environ
    database_url = database_url or environment.get("DOCTOR_DATABASE_URL") or environment.get("DATABASE_URL") or None
    try:
        return asyncio.run(_examine(database_url, directory, environment))
    except (CannotExamine, *EXPECTED) as error:
        click.echo(f"sparky doctor: {error}", err=True)
        return UNKNOWN


async def _examine(database_url: str | None, directory: Path, environment: Mapping[str, str]) -> int:
    async with _patient(database_url, directory, environment) as patient:
        click.echo(f"Sparky's doctor looks at {_place(patient.database_url)}\n")
        expectation = await expectation_of_the_migrations()
        # Nothing is prepared by name: the address may be a transaction pooler's.
        connection = await asyncpg.connect(
            patient.database_url, timeout=10, command_timeout=300, statement_cache_size=0
        )
        try:
            answers = await examine(connection, expectation, results_private=patient.results_private)
        finally:
            await connection.close()
        answers += await _ask(patient.project)
    return report(answers)


async def _ask(project: Project | None) -> list[Answer]:
    if project is None:
        return [Answer("project", "sign-up, keys, mails: SUPABASE_URL and a key are not set", skipped=True)]
    async with httpx.AsyncClient(timeout=CALL_SECONDS) as http:
        return await examine_project(http, project)


@asynccontextmanager
async def _patient(database_url: str | None, directory: Path, environment: Mapping[str, str]) -> AsyncIterator[Patient]:
    """The configured one; else the embedded stack, a running one or one started and stopped here."""
    private = TypeAdapter(bool).validate_python(environment.get("RESULTS_PRIVATE") or "false")
    if database_url is not None:
        yield Patient(database_url, _configured_project(environment), private)
        return
    async with _embedded(directory, environment) as addresses:
        yield Patient(addresses["database_urls"]["postgres"], _embedded_project(addresses), private)


def _configured_project(environment: Mapping[str, str]) -> Project | None:
    url = environment.get("SUPABASE_URL")
    key = environment.get("SUPABASE_PUBLISHABLE_KEY") or environment.get("SUPABASE_SECRET_KEY")
    if not url or not key:
        return None
    return Project(
        url.rstrip("/"),
        key,
        environment.get("SUPABASE_ACCESS_TOKEN") or None,
        shared_secret=bool(environment.get("SUPABASE_JWT_SECRET")),
        management_url=MANAGEMENT,
    )


def _embedded_project(addresses: Mapping[str, Any]) -> Project:
    """The stand-in answers for the Management API too; its secret key is the access token there."""
    url = addresses["supabase_url"]
    return Project(url, addresses["publishable_key"], addresses["secret_key"], management_url=url)


@asynccontextmanager
async def _embedded(directory: Path, environment: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
    stack = Stack(directory, ["supabase"], environment=environment)
    try:
        await stack.start()
    except StackBusy:
        yield orjson.loads((directory / "stack.json").read_bytes())
        return
    try:
        yield stack.described()
    finally:
        await stack.stop()


def _place(database_url: str) -> str:
    """The address without its password."""
    parts = urlsplit(database_url)
    return f"{parts.username or '?'}@{parts.hostname or '?'}:{parts.port or 5432}{parts.path}"


def report(answers: list[Answer]) -> int:
    """Print what was looked at, every finding and what to do; answer the exit code."""
    for answer in answers:
        mark = "FOUND" if answer.findings else "-" if answer.skipped else "ok"
        click.echo(f"  {mark:<6} {answer.name:<20} {'not checked: ' if answer.skipped else ''}{answer.said}".rstrip())
        for finding in answer.findings:
            click.echo(f"           * {finding.what}\n             what to do: {finding.remedy}")
    count = sum(len(answer.findings) for answer in answers)
    click.echo(f"\n{count} findings." if count else "\nNothing is wrong.")
    return UNSOUND if count else SOUND
