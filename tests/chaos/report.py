"""What the simulator says."""

from collections.abc import Iterable

from tests.chaos.gates import Violation
from tests.chaos.world import World

SHOWN = 5


async def what_happened(world: World) -> str:
    """Counts of everything that was done, and what became of the generations."""
    rows = await world.accounts.database.fetch(
        "select status || coalesce(' ' || error_code, '') as ended, count(*), max(fence) as attempts"
        " from public.generations group by 1 order by 1"
    )
    lines = [f"  generations: {row['count']} {row['ended']} (up to {row['attempts']} attempts)" for row in rows]
    done = dict(world.counts) | {f"wire: {what}": n for what, n in world.fleet.wire.done.items()}
    lines += [f"  {what}: {number}" for what, number in sorted(done.items())]
    return "\n".join(lines)


def verdict(violations: Iterable[Violation], command: str, logs: str) -> str:
    """All gates that were violated, a few examples of each, and how to see it again."""
    by_gate: dict[str, list[str]] = {}
    for violation in violations:
        by_gate.setdefault(violation.gate, []).append(violation.detail)
    if not by_gate:
        return "all gates hold"
    lines = []
    for gate, details in by_gate.items():
        lines.append(f"VIOLATED: {gate} ({len(details)})")
        lines += [f"  {detail}" for detail in details[:SHOWN]]
    return "\n".join([*lines, f"again: {command}", f"logs: {logs}"])
