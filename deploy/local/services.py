"""The services of the embedded stack: their names, what each needs, and how each is started."""

import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

from deploy.local.processes import free_port

NEEDS: dict[str, tuple[str, ...]] = {
    "postgres": (),
    "valkey": (),
    "gemini": (),
    "paymob": (),
    "supabase": ("postgres",),
    "intake": ("postgres", "valkey", "supabase", "paymob"),
    "worker": ("postgres", "valkey", "supabase", "gemini"),
}
ALL = frozenset(NEEDS)

COMMANDS: dict[str, tuple[str, ...]] = {
    "supabase": (sys.executable, "-m", "deploy.local.supabase"),
    "gemini": (sys.executable, "-m", "deploy.local.gemini"),
    "paymob": (sys.executable, "-m", "deploy.local.paymob"),
    "intake": (sys.executable, "-m", "producers.intake"),
    "worker": (sys.executable, "-m", "arq", "worker.main.WorkerSettings"),
}
# How long each may take to end by itself. The worker hands back what it cannot finish in its grace period.
STOPS: dict[str, tuple[tuple[signal.Signals, float], ...]] = {
    "supabase": ((signal.SIGTERM, 5.0),),
    "gemini": ((signal.SIGTERM, 3.0),),
    "paymob": ((signal.SIGTERM, 3.0),),
    "intake": ((signal.SIGTERM, 12.0),),
    "worker": ((signal.SIGTERM, 45.0),),
}
# With a real Supabase, these have to be set as well.
WITH_SUPABASE = ("SUPABASE_SECRET_KEY", "DATABASE_URL")


@dataclass(frozen=True)
class Ports:
    """Where each service listens; 0 means any free port."""

    supabase: int = 0
    postgres: int = 0
    valkey: int = 0
    gemini: int = 0
    paymob: int = 0
    intake: int = 0
    pooler: int = 0


FREE_PORTS = Ports()
USUAL_PORTS = Ports(supabase=54321, postgres=54322, valkey=54379, gemini=54380, paymob=54381, intake=8000, pooler=54329)


def choose_ports(wanted: Ports, report: Callable[[str], None], *, unused: frozenset[str] = frozenset()) -> Ports:
    """The wanted ports where they are free, others where they are not; the latter is reported, but for services that
    do not run: a real Supabase on this machine has their usual ports."""
    chosen: dict[str, int] = {}
    for service, port in asdict(wanted).items():
        chosen[service] = free_port(port, besides=set(chosen.values()))
        if port and chosen[service] != port and service not in unused:
            report(f"port {port} is taken: {service} listens on {chosen[service]}")
    return Ports(**chosen)


class NotConfigured(ValueError):  # noqa: N818 - it is what is wrong
    """A service that does not exist, or a setting that is missing beside another."""


def with_needs(names: Iterable[str], environment: Mapping[str, str]) -> frozenset[str]:
    """These services and what they need, without what the environment points elsewhere.

    SUPABASE_URL stands for a real Supabase with its Postgres, GEMINI_API_KEY and PAYMOB_SECRET_KEY for the real ones.
    Raises `NotConfigured`.
    """
    wanted = set(names) or set(ALL)
    if unknown := wanted - ALL:
        raise NotConfigured(f"no such service: {', '.join(sorted(unknown))}; there are {', '.join(NEEDS)}")
    pending = list(wanted)
    while pending:
        new = set(NEEDS[pending.pop()]) - wanted
        wanted |= new
        pending += new
    if environment.get("SUPABASE_URL"):
        if missing := [name for name in WITH_SUPABASE if not environment.get(name)]:
            raise NotConfigured(f"with SUPABASE_URL set, {' and '.join(missing)} must be set too")
        wanted -= {"postgres", "supabase"}
    if environment.get("GEMINI_API_KEY"):
        wanted -= {"gemini"}
    if environment.get("PAYMOB_SECRET_KEY"):
        wanted -= {"paymob"}
    return frozenset(wanted)
