"""First credits come once to an address, and nobody keeps the address to know that."""

import hashlib
import hmac
from uuid import UUID, uuid4

import pytest

from tests.integration.sql.departures import close, finish, mentions
from tests.support.accounts import Accounts


async def signed_up(accounts: Accounts, address: str, *, confirmed: bool = True) -> UUID:
    user = uuid4()
    await accounts.database.execute(
        "insert into auth.users (id, email, email_confirmed_at) values ($1, $2, case when $3 then now() end)",
        user,
        address,
        confirmed,
    )
    return user


async def left(accounts: Accounts, address: str, *, confirmed: bool = True) -> None:
    user = await signed_up(accounts, address, confirmed=confirmed)
    await close(accounts, user)
    await finish(accounts, user)


@pytest.mark.parametrize(("key", "message"), [(b"k" * 32, b"a@b.c"), (b"x" * 200, b""), (b"", b"y" * 300)])
async def test_the_hash_is_hmac_sha_256(accounts: Accounts, key: bytes, message: bytes) -> None:
    found = await accounts.database.fetchval("select sparky.hmac_sha256($1, $2)", key, message)
    assert found == hmac.digest(key, message, hashlib.sha256)


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("Ada@Example.com", "ada@example.com"),
        (" ada+sparky+2@example.com ", "ada@example.com"),
        ("a.d.a@example.com", "a.d.a@example.com"),
        ("A.d.a+x@googlemail.com", "ada@gmail.com"),
        ("ada@gmail.com", "ada@gmail.com"),
    ],
)
async def test_spellings_of_one_mailbox_are_one(accounts: Accounts, address: str, mailbox: str) -> None:
    assert await accounts.database.fetchval("select sparky.mailbox($1)", address) == mailbox


async def test_an_address_that_deleted_its_account_gets_no_second_first_credits(accounts: Accounts) -> None:
    box = uuid4().hex
    await left(accounts, f"{box}@example.com")
    for spelling in (f"{box}@example.com", f"{box}+again@EXAMPLE.com"):
        again = await signed_up(accounts, spelling)
        assert (await accounts.balance(again), await accounts.ledger(again, "grant")) == (0, [])
        assert (await accounts.submit(again))["outcome"] == "insufficient_credits"
    assert await accounts.violations() == []


async def test_the_next_months_credits_come_as_to_everybody(accounts: Accounts) -> None:
    address = f"{uuid4().hex}@example.com"
    await left(accounts, address)
    again = await signed_up(accounts, address)
    await accounts.database.execute(
        "update public.users set period_anchor = period_anchor - interval '40 days' where id = $1", again
    )
    assert (await accounts.submit(again))["outcome"] == "queued"
    assert await accounts.ledger(again, "grant") == [10]


async def test_an_address_given_up_by_a_change_counts_as_well(accounts: Accounts) -> None:
    address = f"{uuid4().hex}@example.com"
    user = await signed_up(accounts, address)
    await accounts.database.execute("update auth.users set email = 'new-' || email where id = $1", user)
    assert await accounts.balance(await signed_up(accounts, address)) == 0
    assert await accounts.balance(user) == 10


async def test_whoever_never_confirmed_an_address_does_not_use_it_up(accounts: Accounts) -> None:
    address = f"{uuid4().hex}@example.com"
    await left(accounts, address, confirmed=False)
    assert await accounts.balance(await signed_up(accounts, address)) == 10


async def test_another_address_gets_its_credits(accounts: Accounts) -> None:
    await left(accounts, f"{uuid4().hex}@example.com")
    assert await accounts.balance(await signed_up(accounts, f"{uuid4().hex}@example.com")) == 10


async def test_no_address_is_kept_and_the_hash_needs_the_key(accounts: Accounts) -> None:
    box = uuid4().hex
    await left(accounts, f"{box}@example.com")
    assert await mentions(accounts, box) == []
    plain = hashlib.sha256(f"{box}@example.com".encode()).digest()
    assert await accounts.database.fetchval("select count(*) from sparky.spent_addresses where hash = $1", plain) == 0
    key = await accounts.database.fetchval("select key from sparky.address_key")
    keyed = hmac.digest(key, f"{box}@example.com".encode(), hashlib.sha256)
    assert await accounts.database.fetchval("select count(*) from sparky.spent_addresses where hash = $1", keyed) == 1


async def test_migrating_again_keeps_the_key(accounts: Accounts) -> None:
    before = await accounts.database.fetchval("select key from sparky.address_key")
    await accounts.database.execute("insert into sparky.address_key (key) select sha256('x') on conflict do nothing")
    assert await accounts.database.fetchval("select key from sparky.address_key") == before


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "sparky_intake", "sparky_worker"])
async def test_nobody_reads_what_an_end_leaves_behind(accounts: Accounts, role: str) -> None:
    for table in ("account_deletions", "muted_endings", "spent_addresses", "address_key", "photo_patrol"):
        privileges = "select, insert, update, delete, truncate, references, trigger"
        assert not await accounts.database.fetchval(
            "select has_table_privilege($1, format('sparky.%I', $2::text), $3)", role, table, privileges
        )
