"""Whether an address is a pooler in transaction mode, where prepared statements go astray."""

import pytest
from pydantic import SecretStr

from schemas.database import pooled_by_transaction
from schemas.settings import Settings

DIRECT = "postgresql://sparky_worker:p%3A6543@db.project.supabase.co:5432/postgres"
SESSION = "postgresql://sparky_worker.project:secret@aws-0-eu-central-1.pooler.supabase.com:5432/postgres"
TRANSACTION = "postgresql://sparky_worker.project:secret@aws-0-eu-central-1.pooler.supabase.com:6543/postgres"


def settings(url: str, pooler: str) -> Settings:
    values = {"redis_url": "redis://x", "supabase_url": "http://x", "supabase_secret_key": SecretStr("x")}
    return Settings.model_validate({**values, "database_url": SecretStr(url), "database_pooler": pooler})


@pytest.mark.parametrize(
    ("url", "pooled"),
    [
        (DIRECT, False),
        (SESSION, False),
        (TRANSACTION, True),
        (f"{TRANSACTION}?sslmode=require", True),
        ("postgresql://sparky_worker@[2001:db8::6543]/postgres", False),
        ("postgresql://sparky_worker@[2001:db8::1]:6543/postgres", True),
        ("postgresql://sparky_worker@one:6543,two:6543/postgres", True),
        ("postgresql:///postgres?host=pooler&port=6543", True),
        ("postgresql://sparky_worker:6543@localhost/postgres", False),
    ],
)
def test_supabases_port_of_transaction_mode_is_recognised(url: str, pooled: bool) -> None:
    assert pooled_by_transaction(settings(url, "auto")) is pooled


def test_what_is_set_goes_before_what_the_port_suggests() -> None:
    assert pooled_by_transaction(settings(DIRECT, "transaction"))
    assert not pooled_by_transaction(settings(TRANSACTION, "none"))
