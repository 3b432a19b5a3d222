"""Where everything of a stack is: addresses, keys and the environment each service reads."""

from collections.abc import Mapping
from pathlib import Path

from deploy.local.keys import StackKeys
from deploy.local.paymob import merchant
from deploy.local.pgbouncer import PgBouncer
from deploy.local.postgres import SUPERUSER, Postgres
from deploy.local.services import Ports
from deploy.local.valkey import Valkey
from schemas.settings import Settings

LOOPBACK = "127.0.0.1,localhost"
POOLED_ROLES = ("sparky_intake", "sparky_worker")


class Addresses:
    """Known once the stack starts. `given` is the environment the stack was made with: what it names, it provides."""

    keys: StackKeys
    ports: Ports
    postgres: Postgres | None = None
    pooler: PgBouncer | None = None
    valkey: Valkey | None = None

    def __init__(self, directory: Path, services: frozenset[str], given: Mapping[str, str]) -> None:
        self.directory = directory
        self.services = services
        self._given = given

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def outbox(self) -> Path:
        """Where the mails of the Auth stand-in land."""
        return self.directory / "outbox"

    @property
    def supabase_url(self) -> str:
        return self._given.get("SUPABASE_URL") or self.url_of("supabase")

    @property
    def publishable_key(self) -> str:
        return self._given.get("SUPABASE_PUBLISHABLE_KEY", "") if self._real_supabase else self.keys.publishable_key

    @property
    def secret_key(self) -> str:
        return self._given["SUPABASE_SECRET_KEY"] if self._real_supabase else self.keys.secret_key

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.ports.valkey}/0"

    @property
    def gemini_url(self) -> str | None:
        """None: the real one."""
        return None if self._given.get("GEMINI_API_KEY") else self.url_of("gemini")

    @property
    def paymob_url(self) -> str | None:
        """None: the real one."""
        return None if self._given.get("PAYMOB_SECRET_KEY") else self.url_of("paymob")

    @property
    def intake_url(self) -> str:
        return self.url_of("intake")

    def url_of(self, service: str) -> str:
        return f"http://127.0.0.1:{getattr(self.ports, service)}"

    def database_url(self, role: str) -> str:
        """How `role` logs in. For a real Supabase, the one address that was given."""
        if self.postgres is None:
            return self._given["DATABASE_URL"]
        if self.pooler is not None and role in POOLED_ROLES:
            return self.pooler.dsn(role)
        return self.postgres.dsn(role, self.keys.passwords[role])

    @property
    def database_port(self) -> int:
        """Where intake and worker find the embedded Postgres: itself, or the pooler before it."""
        return self.ports.postgres if self.pooler is None else self.ports.pooler

    @property
    def env(self) -> dict[str, str]:
        """What intake and worker read, all but `DATABASE_URL`: each logs in with its own role."""
        no_proxy = ",".join(filter(None, (self._given.get("NO_PROXY") or self._given.get("no_proxy"), LOOPBACK)))
        found = {
            **self._given,
            "SUPABASE_URL": self.supabase_url,
            "SUPABASE_SECRET_KEY": self.secret_key,
            "REDIS_URL": self.redis_url,
            "INTAKE_HOST": "127.0.0.1",
            "INTAKE_PORT": str(self.ports.intake),
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
        }
        if self.gemini_url is not None:
            found |= {"GEMINI_BASE_URL": self.gemini_url, "GEMINI_API_KEY": "local"}
        if self.paymob_url is not None:
            found |= merchant.environment(self.paymob_url, self.intake_url)
        return found

    def environment_of(self, service: str) -> dict[str, str]:
        """The whole environment of one process."""
        if service in ("intake", "worker"):
            return {**self.env, "DATABASE_URL": self.database_url(f"sparky_{service}")}
        found = {**self._given, "LOCAL_HOST": "127.0.0.1", "LOCAL_PORT": str(getattr(self.ports, service))}
        if service == "supabase":
            found |= {
                "LOCAL_DATABASE_URL": self.database_url(SUPERUSER),
                "LOCAL_KEYS_FILE": str(self.directory / "keys.json"),
                "LOCAL_STORAGE_DIR": str(self.directory / "storage"),
                "LOCAL_OUTBOX_DIR": str(self.outbox),
                "LOCAL_INTAKE_URL": self.intake_url,
            }
        if service == "paymob":
            found["LOCAL_DASHBOARD_URL"] = f"{self.intake_url}/webhooks/paymob"
        return found

    def described(self) -> dict[str, object]:
        """For `stack.json`: what another process needs in order to use the stack. Holds secrets."""
        found: dict[str, object] = {
            "services": sorted(self.services),
            "supabase_url": self.supabase_url,
            "publishable_key": self.publishable_key,
            "secret_key": self.secret_key,
            "redis_url": self.redis_url,
            "gemini_url": self.gemini_url,
            "paymob_url": self.paymob_url,
            "intake_url": self.intake_url,
            "outbox": str(self.outbox),
        }
        if "worker" in self.services:
            environment = self.environment_of("worker")
            fields = {name for name in environment if name.lower() in Settings.model_fields}
            found["worker_environment"] = {name: environment[name] for name in sorted(fields)}
        if self.postgres is not None:
            found["database_urls"] = {role: self.database_url(role) for role in self.keys.passwords}
        return found

    @property
    def _real_supabase(self) -> bool:
        return bool(self._given.get("SUPABASE_URL"))
