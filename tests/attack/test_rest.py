"""Alice over REST: her own balance and plan, the ledger, and all that is Bob's."""

from typing import Any

import httpx
import pytest

from tests.attack.world import World

pytestmark = pytest.mark.usefixtures("nothing_changes")

# The only columns that a client writes, and only in its own rows.
WRITABLE = {("users", "username"), ("users", "notification_preferences"), ("notifications", "read")}
OWNED = ("credit_usage", "notifications", "generations", "orders", "payments")


async def test_the_token_is_good_and_her_own_row_can_be_read_and_written(world: World) -> None:
    own = f"/rest/v1/users?id=eq.{world.alice.id}&select=credits"
    assert (await world.call("GET", own)).json() == [{"credits": 9}]
    named = await world.call("PATCH", f"/rest/v1/users?id=eq.{world.alice.id}", json={"username": "Alice"})
    assert named.status_code == 204
    await world.remember()


async def test_the_only_columns_that_can_be_written_are_those_three_and_never_of_somebody_else(world: World) -> None:
    columns = await world.accounts.database.fetch(
        "select table_name, column_name from information_schema.columns where table_schema = 'public'"
    )
    assert len(columns) > 80
    for row in columns:
        table, column = row["table_name"], row["column_name"]
        for who in (world.alice.id, world.bob.id):
            if (table, column) in WRITABLE and who == world.alice.id:
                continue
            owner = {"users": f"id=eq.{who}"}.get(table, f"user_id=eq.{who}" if table in OWNED else "is_active=eq.true")
            answer = await world.call(
                "PATCH",
                f"/rest/v1/{table}?{owner}",
                json={column: None},
                headers={"Prefer": "return=representation"},
            )
            if (table, column) not in WRITABLE:
                assert answer.status_code in (400, 403), (table, column, answer.text)
            assert answer.status_code >= 400 or answer.json() == [], (table, column)


@pytest.mark.parametrize(
    "changes",
    [
        {"credits": 1_000_000},
        {"plan_id": 4},
        {"plan_id": 3, "plan_expires_at": "2099-01-01T00:00:00Z"},
        {"credit_debt": 0},
        {"period_anchor": "2020-01-01T00:00:00Z"},
        {"username": "Alice", "credits": 11},
        {"id": "00000000-0000-0000-0000-000000000000"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["PATCH", "POST", "upsert"])
async def test_her_account_cannot_be_improved(world: World, method: str, changes: dict[str, Any]) -> None:
    if method == "PATCH":
        answer = await world.call("PATCH", f"/rest/v1/users?id=eq.{world.alice.id}", json=changes)
    else:
        prefer = {"Prefer": "resolution=merge-duplicates"} if method == "upsert" else {}
        row = {"id": str(world.alice.id), **changes}
        answer = await world.call("POST", "/rest/v1/users?on_conflict=id", json=row, headers=prefer)
    assert answer.status_code == 403
    assert answer.json()["code"] == "42501"


def rows(world: World) -> dict[str, dict[str, Any]]:
    """Rows that would be worth something if one could insert them."""
    mine, his = str(world.alice.id), str(world.bob.id)
    return {
        "credit_usage": {"user_id": mine, "kind": "grant", "amount": 1000, "balance_after": 1009},
        "notifications": {"user_id": his, "type": "offer", "title_key": "free", "message_key": "credits"},
        "generations": {"user_id": mine, "tool_id": "age", "status": "succeeded", "image_path": world.bobs.picture},
        "orders": {"user_id": mine, "plan_id": 4, "amount_piastres": 1, "status": "paid"},
        "payments": {"user_id": mine, "transaction_id": 2, "kind": "transaction", "success": True},
        "plans": {"id": 9, "name": "Alice's", "monthly_credits": 10**6, "daily_credits": 10**6},
        "tools": {"id": "mine", "type": "FILTER", "credit_cost": 0},
        "hairstyles": {"id": "mine", "name": "ignore the above", "gender": "female", "category": "x"},
        "colors": {"kind": "hair", "hex": "ffffff"},
        "credit_packs": {"id": 9, "name": "Alice's", "credits": 10**6, "price_piastres": 1},
    }


@pytest.mark.parametrize("token", ["Alice's", "none"])
async def test_nothing_can_be_inserted_or_deleted(world: World, token: str) -> None:
    refused = {"Alice's": 403, "none": 401}[token]
    bearer = None if token == "Alice's" else ""
    for table, row in rows(world).items():
        for prefer in ("return=minimal", "resolution=merge-duplicates", "resolution=ignore-duplicates"):
            answer = await world.call("POST", f"/rest/v1/{table}", json=[row], headers={"Prefer": prefer}, token=bearer)
            assert answer.status_code == refused, (table, answer.text)
        key = next(iter(row))
        answer = await world.call("DELETE", f"/rest/v1/{table}?{key}=eq.{row[key]}", token=bearer)
        assert answer.status_code == refused, (table, answer.text)


@pytest.mark.parametrize("table", OWNED)
async def test_rows_of_others_do_not_exist(world: World, table: str) -> None:
    everything = (await world.call("GET", f"/rest/v1/{table}?select=user_id")).json()
    assert {row["user_id"] for row in everything} == {str(world.alice.id)}
    for query in (
        f"user_id=eq.{world.bob.id}",
        f"user_id=neq.{world.alice.id}",
        f"user_id=in.({world.alice.id},{world.bob.id})&user_id=neq.{world.alice.id}",
        f"user_id=not.eq.{world.alice.id}",
    ):
        answer = await world.call("GET", f"/rest/v1/{table}?select=user_id&{query}")
        assert answer.status_code >= 400 or answer.json() == [], query
    assert (await world.call("GET", f"/rest/v1/{table}?select=user_id", token="")).status_code == 401


async def test_she_sees_one_account(world: World) -> None:
    assert (await world.call("GET", "/rest/v1/users?select=id")).json() == [{"id": str(world.alice.id)}]
    assert (await world.call("GET", f"/rest/v1/users?select=id&id=eq.{world.bob.id}")).json() == []
    assert (await world.call("GET", "/rest/v1/users?select=id", token="")).status_code == 401


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("generations", "object_name,cache_key,fence,usage,model,worker_id,draft,failures,source_etag"),
        ("users", "period_anchor"),
        ("credit_usage", "reason"),
        ("notifications", "source_id,source_event"),
        ("orders", "intention_order_id,idempotency_key"),
        ("payments", "callback,transaction_id"),
    ],
)
async def test_internal_columns_stay_inside(world: World, table: str, columns: str) -> None:
    owner = "id" if table == "users" else "user_id"
    for column in columns.split(","):
        for query in (f"select={column}", f"select=x:{column}", f"select={owner}&{column}=not.is.null"):
            answer = await world.call("GET", f"/rest/v1/{table}?{query}")
            assert answer.status_code == 403, (query, answer.text)
        ordered = await world.call("GET", f"/rest/v1/{table}?select={owner}&order={column}")
        assert ordered.status_code == 403
    assert (await world.call("GET", f"/rest/v1/{table}?select=*")).status_code == 403


@pytest.mark.parametrize(
    "schema",
    ["sparky", "cache", "auth", "storage", "realtime", "pg_catalog", "information_schema", "supabase_migrations"],
)
async def test_other_schemas_are_not_served(world: World, schema: str) -> None:
    for method, header in (("GET", "Accept-Profile"), ("POST", "Content-Profile"), ("PATCH", "Content-Profile")):
        for table in ("holds", "kv_store", "users", "objects", "messages"):
            answer = await world.call(method, f"/rest/v1/{table}?id=eq.1", json={}, headers={header: schema})
            assert answer.status_code == 406


@pytest.mark.parametrize(
    "query",
    [
        "select=user_id,users(credits)",
        "select=user_id::text",
        "select=*)from/**/public.generations--",
        "select=user_id&user_id=eq.x')/**/or/**/true--",
        "select=user_id&or=(user_id.neq.{alice})",
        "select=user_id&order=user_id;drop/**/table/**/public.users",
        'select=user_id&order="user_id"',
        "select=user_id&limit=1;select/**/1",
        "select=user_id&user_id=eq.{bob}'",
        "select=user_id&%22user_id%22=eq.{bob}",
        "select=user_id&user_id=eq.{bob}%00",
    ],
)
async def test_a_query_string_is_never_sql(world: World, query: str) -> None:
    filled = query.format(alice=world.alice.id, bob=world.bob.id)
    answer: httpx.Response = await world.call("GET", f"/rest/v1/generations?{filled}")
    assert answer.status_code < 500
    assert str(world.bob.id) not in answer.text.replace(filled, "") or answer.status_code >= 400
    assert answer.status_code >= 400 or {row["user_id"] for row in answer.json()} <= {str(world.alice.id)}
