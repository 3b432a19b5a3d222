"""The console script `sparky`. Each command imports what it needs when it runs, so that `sparky --help` is quick."""

from pathlib import Path

import click

from producers.console.commands import orders

REPOSITORY = Path(__file__).parents[1]
STATE = REPOSITORY / ".local"

DIRECTORY = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=STATE,
    help="Where the stack keeps its data, keys and logs.  [default: .local in the clone]",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "obj": STATE})
def main() -> None:
    """Sparky's backend: run it, migrate it."""


@main.command()
@click.argument("services", nargs=-1)
@DIRECTORY
@click.option("--free-ports", is_flag=True, help="Listen on any free ports, beside another stack.")
def up(services: tuple[str, ...], directory: Path, free_ports: bool) -> None:
    """Run the embedded stack in the foreground: all of it, or SERVICES and what they need.

    SERVICES are postgres, valkey, supabase, gemini, paymob, intake and worker. With GEMINI_API_KEY set the real Gemini
    is used, with PAYMOB_SECRET_KEY the real Paymob, with SUPABASE_URL (and SUPABASE_SECRET_KEY, DATABASE_URL) the real
    Supabase. Ctrl-C stops everything.
    """
    from deploy.local.up import run_up  # noqa: PLC0415

    raise SystemExit(run_up(services, directory, REPOSITORY / ".env", free_ports=free_ports))


@main.command()
@DIRECTORY
def demo(directory: Path) -> None:
    """Drive the main job end to end as a real client, on a running stack or on one of its own."""
    from deploy.demo.run import run_demo  # noqa: PLC0415

    raise SystemExit(run_demo(directory))


@main.command()
@DIRECTORY
@click.option("--database", "database_url", help="As role postgres.  [default: DOCTOR_DATABASE_URL or DATABASE_URL]")
def doctor(directory: Path, database_url: str | None) -> None:
    """Check the configured database and project, or the embedded stack where none is configured. Changes nothing.

    Invariants, foreign triggers, what clients can do, policies, functions, roles, publication and buckets; with
    SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY the project's answers too, with SUPABASE_ACCESS_TOKEN also its mails.
    Exits with 1 when something is wrong, with 2 when it cannot be examined.
    """
    from deploy.doctor.run import run_doctor  # noqa: PLC0415

    raise SystemExit(run_doctor(database_url, directory, REPOSITORY / ".env"))


@main.command()
@click.argument("database_url", envvar="DATABASE_URL")
def migrate(database_url: str) -> None:
    """Apply the migrations and the seed to DATABASE_URL (an argument, or set in the environment) as role postgres."""
    import asyncio  # noqa: PLC0415

    import asyncpg  # noqa: PLC0415

    from deploy.local.migrate import MigrationFailed  # noqa: PLC0415
    from deploy.local.migrate import migrate as run_migrations  # noqa: PLC0415

    try:
        ran = asyncio.run(run_migrations(database_url, report=lambda name: click.echo(f"applied {name}")))
    except (MigrationFailed, asyncpg.PostgresError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if not ran:
        click.echo("up to date")


main.add_command(orders)
