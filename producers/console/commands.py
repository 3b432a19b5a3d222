"""`sparky orders list|show|inquire|refund`. What they take is imported when they run, so that `--help` is quick."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec
from uuid import UUID

import click

if TYPE_CHECKING:
    from producers.console.orders import Orders

STATUSES = ("open", "paid", "expired", "refunded")
P = ParamSpec("P")
ORDER = click.argument("order", type=click.UUID)


def _said(_: click.Context, __: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("must say something")
    return value.strip()


OPERATOR = click.option(
    "--operator", required=True, envvar="SPARKY_OPERATOR", callback=_said, help="Who you are; SPARKY_OPERATOR."
)
REASON = click.option("--reason", required=True, callback=_said, help="Why: for whoever reads the record.")


@click.group()
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="An embedded stack's folder, where no DATABASE_URL is set.  [default: .local in the clone]",
)
@click.pass_context
def orders(context: click.Context, directory: Path | None) -> None:
    """Look at orders, inquire about them at Paymob, refund them.

    Uses the worker's environment (DATABASE_URL, PAYMOB_…), or else the embedded stack that runs.
    """
    context.obj = directory or context.obj


def _with_orders(command: Callable[Concatenate["Orders", P], Awaitable[None]]) -> Callable[P, None]:
    """Run a command with `Orders`; what may go wrong is said in a line."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        import asyncpg  # noqa: PLC0415

        from producers.console.environment import NoEnvironmentError, find_settings  # noqa: PLC0415
        from producers.console.orders import NotPossibleError, open_orders  # noqa: PLC0415
        from schemas.paymob.client import (  # noqa: PLC0415
            PaymobAwayError,
            PaymobNotConfiguredError,
            PaymobRefusedError,
        )

        async def go() -> None:
            async with open_orders(find_settings(click.get_current_context().obj)) as opened:
                await command(opened, *arguments, **options)

        try:
            asyncio.run(go())
        except PaymobAwayError as error:
            text = f"Paymob did not answer ({error}); inquire before you try again: it may have happened"
            raise click.ClickException(text) from None
        except PaymobRefusedError as error:
            raise click.ClickException(f"Paymob refused ({error})") from None
        except PaymobNotConfiguredError as error:
            raise click.ClickException(f"{error} is not set") from None
        except (NoEnvironmentError, NotPossibleError, asyncpg.PostgresError, OSError) as error:
            raise click.ClickException(str(error) or type(error).__name__) from None

    return run


@orders.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@_with_orders
async def list_orders(opened: "Orders", status: str | None, limit: int) -> None:
    """The newest orders."""
    rows = await opened.newest(status, limit)
    names = ("id", "status", "item", "price", "paid", "refunded", "user", "created")
    _table(
        names,
        [
            (
                row["id"], row["status"], row["item_name"], _money(row["amount_piastres"], row["currency"]),
                row["paid_piastres"], row["refunded_piastres"], row["user_id"], _time(row["created_at"]),
            )
            for row in rows
        ],
    )  # fmt: skip


@orders.command()
@ORDER
@_with_orders
async def show(opened: "Orders", order: UUID) -> None:
    """All that happened to ORDER, oldest first."""
    rows = await opened.story(order)
    if not rows:
        raise click.ClickException("there is no such order")
    names = ("when", "what", "transaction", "piastres", "credits", "owed", "details")
    _table(
        names,
        [
            (
                _time(row["at"]), row["event"], row["transaction_id"], row["amount_piastres"], row["credits"],
                row["owed"],
                ", ".join(f"{name} {value}" for name, value in (row["details"] or {}).items() if value is not None),
            )
            for row in rows
        ],
    )  # fmt: skip


@orders.command()
@ORDER
@OPERATOR
@REASON
@_with_orders
async def inquire(opened: "Orders", order: UUID, operator: str, reason: str) -> None:
    """Ask Paymob about ORDER now, and book what it says."""
    from producers.console.orders import Because  # noqa: PLC0415

    click.echo(await opened.inquire(order, Because(operator, reason)))


@orders.command()
@ORDER
@OPERATOR
@REASON
@click.option("--piastres", type=click.IntRange(min=1), help="A part only.  [default: all that is left]")
@click.option("--transaction", type=click.IntRange(min=1), help="Which payment, when the order has several.")
@_with_orders
async def refund(
    opened: "Orders", order: UUID, *, operator: str, reason: str, piastres: int | None, transaction: int | None
) -> None:
    """Give ORDER's money back, and take back the credits that it bought, in proportion."""
    from producers.console.orders import Because  # noqa: PLC0415

    done = await opened.refund(order, Because(operator, reason), piastres, transaction)
    click.echo(f"refunded {done.piastres} piastres of transaction {done.transaction_id}; booked: {done.outcome}")


def _table(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    cells = [names, *(tuple("" if value is None else str(value) for value in row) for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(names))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _money(piastres: int, currency: str) -> str:
    return f"{piastres / 100:.2f} {currency}"


def _time(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}"
