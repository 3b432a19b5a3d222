"""Two customers of one product: Alice, who attacks, and Bob, who has something to lose; and a digest of everything."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from supabase import AsyncClientOptions, acreate_client

from deploy.local.portrait import jpeg, portrait
from deploy.local.stack import Stack
from deploy.local.supabase.keys import Keys
from schemas.settings import Settings
from tests.support.accounts import Accounts
from tests.support.customers import Customer

PICTURE = jpeg(portrait(96, 128))
MODEL = str(Settings.model_fields["gemini_image_model"].default)


@dataclass(frozen=True)
class Belongings:
    """What a customer has: a photo, a picture that was settled, and one generation that still waits."""

    photo: str
    picture: str
    succeeded: UUID
    queued: UUID


class World:
    """Everything an attack needs. `known` is the digest that no attack may change."""

    def __init__(self, stack: Stack, accounts: Accounts, alice: Customer, bob: Customer) -> None:
        self.stack, self.accounts, self.alice, self.bob = stack, accounts, alice, bob
        self.keys = Keys(stack.publishable_key, stack.secret_key, stack.keys.jwk)
        self.token = alice.intake.headers["authorization"].removeprefix("Bearer ")
        self.bobs_token = bob.intake.headers["authorization"].removeprefix("Bearer ")
        self.http = httpx.AsyncClient(base_url=stack.supabase_url, trust_env=False, timeout=20)
        self.known: dict[str, str] = {}

    async def settle_in(self) -> None:
        """Give both what they have."""
        self.alices, self.bobs = await self._belongings(self.alice), await self._belongings(self.bob)
        for user in (self.alice.id, self.bob.id):
            order = await self.accounts.database.fetchval(
                "insert into public.orders (user_id, plan_id, amount_piastres, expires_at)"
                " values ($1, 3, 50000, now() + interval '1 hour') returning id",
                user,
            )
            await self.accounts.database.execute(
                "insert into public.payments"
                " (user_id, order_id, transaction_id, kind, amount_piastres, currency, success, callback)"
                " values ($1, $2, 1, 'transaction', 50000, 'EGP', true, '{}')",
                user,
                order,
            )
        await self.remember()

    async def _belongings(self, customer: Customer) -> Belongings:
        photo = await customer.upload(content=PICTURE)
        succeeded, fence = await self.accounts.started(customer.id, path=photo, model=MODEL)
        picture = (await self.accounts.generation(succeeded))["object_name"]
        admin = await acreate_client(
            self.stack.supabase_url,
            self.stack.secret_key,
            AsyncClientOptions(auto_refresh_token=False, persist_session=False),
        )
        await admin.storage.from_("generations").upload(picture, PICTURE, {"content-type": "image/jpeg"})
        assert await self.accounts.settle(succeeded, fence) == "settled"
        waiting = await self.accounts.submit(customer.id, photo, parameters={"age": 41})
        return Belongings(photo, picture, succeeded, waiting["id"])

    async def call(self, method: str, path: str, *, token: str | None = None, **request: Any) -> httpx.Response:
        """A request to Supabase with the publishable key, and Alice's token unless another is given ('' for none).

        The path goes out as it is written: nothing is normalised on the way.
        """
        bearer = self.token if token is None else token
        headers = {"apikey": self.stack.publishable_key, **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
        headers |= request.pop("headers", {})
        extensions = {"target": path.encode()}
        return await self.http.request(method, "/", headers=headers, extensions=extensions, **request)

    async def remember(self) -> None:
        """What is now is what must stay."""
        self.known = await self.state()

    async def state(self) -> dict[str, str]:
        """A digest of every table, and of every file in the buckets."""
        tables = await self.accounts.database.fetch(
            "select format('%I.%I', schemaname, tablename) as name from pg_catalog.pg_tables"
            " where schemaname in ('public', 'sparky', 'cache', 'realtime', 'storage', 'auth') order by 1"
        )
        digests = " union all ".join(
            f"select '{row['name']}' as name, coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as digest"
            f" from {row['name']} as t"
            for row in tables
        )
        found = {row["name"]: row["digest"] for row in await self.accounts.database.fetch(digests)}
        files = hashlib.sha256()
        for file in sorted((self.stack.directory / "storage").rglob("*")):
            if file.is_file():
                files.update(f"{file} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
        return found | {"files": files.hexdigest()}
