"""REST: the catalogue for everybody, the own rows, and what no client may read or change."""

from typing import Any

from tests.contract.journey.journey import Journey, new_client, refusal


async def tables(journey: Journey) -> None:
    await _catalogue(journey)
    await _rows_by_number(journey)
    await _own_row(journey)
    await _others(journey)
    await _private(journey)
    await _strangers(journey)


async def _catalogue(journey: Journey) -> None:
    client = journey.own.client
    first = await client.table("tools").select("id, credit_cost").order("sort_order").limit(3).execute()
    last = await client.table("tools").select("id").order("sort_order", desc=True).range(1, 2).execute()
    journey.facts["select_ordered"] = {"first": first.data, "page_from_the_end": last.data}

    def tools() -> Any:
        return client.table("tools").select("id").order("id")

    journey.facts["filters"] = {
        "eq": await _ids(tools().eq("type", "ANALYSIS")),
        "neq": await _ids(tools().neq("type", "TRANSFORMATION").neq("type", "FILTER")),
        "in": await _ids(tools().in_("id", ["age", "bald", "nothing"])),
        "gte": await _ids(tools().gte("id", "skin").lt("id", "t")),
        "like": await _ids(tools().like("id", "h%")),
        "ilike": await _ids(tools().ilike("id", "HAIR%")),
        "is": await _ids(tools().is_("is_active", "false")),
        "none": await _ids(tools().eq("id", "nothing")),
    }


async def _rows_by_number(journey: Journey) -> None:
    client = journey.own.client
    one = await client.table("tools").select("id, type").eq("id", "age").single().execute()
    none = await client.table("tools").select("id").eq("id", "nothing").maybe_single().execute()
    counted = await client.table("tools").select("id", count="exact", head=True).execute()  # type: ignore[arg-type]
    journey.facts["one_row"] = {
        "single": one.data,
        "single_of_none": await refusal(client.table("tools").select("id").eq("id", "nothing").single().execute()),
        "single_of_many": await refusal(client.table("tools").select("id").single().execute()),
        "maybe_single": none.data if none is not None else None,
        "count": counted.count,
    }


async def _own_row(journey: Journey) -> None:
    client, own = journey.own.client, journey.own.id

    def users() -> Any:
        return client.table("users")

    row = (await users().select("id, username, plan_id, credits").single().execute()).data
    journey.facts["own_row"] = {
        "own": row["id"] == own,
        "username": row["username"],
        "plan": row["plan_id"],
        "credits": row["credits"],
        "all_columns": await refusal(users().select("*").execute()),
        "private_column": await refusal(users().select("period_anchor").execute()),
        "unknown_column": await refusal(users().select("password").execute()),
    }
    changed = await users().update({"username": "ada"}).eq("id", own).select("username").execute()
    journey.facts["update_own_row"] = {
        "changed": changed.data,
        "silently": await refusal(users().update({"username": "ada"}, returning="minimal").eq("id", own).execute()),
        "answered_whole": await refusal(users().update({"username": "x"}).eq("id", own).select("*").execute()),
        "too_long": await refusal(users().update({"username": "x" * 51}).eq("id", own).select("username").execute()),
        "credits": await refusal(users().update({"credits": 999}).eq("id", own).select("credits").execute()),
        "plan": await refusal(users().update({"plan_id": 4}).eq("id", own).select("plan_id").execute()),
        "delete": await refusal(users().delete().eq("id", own).select("id").execute()),
        "now": (await users().select("username, credits, plan_id").single().execute()).data,
    }


async def _others(journey: Journey) -> None:
    client, theirs = journey.own.client, journey.neighbour.id
    seen = await client.table("users").select("id").eq("id", theirs).execute()
    changed: Any = client.table("users").update({"username": "mine now"}).eq("id", theirs)
    everybody = await client.table("users").select("id").execute()
    journey.facts["somebody_elses_row"] = {
        "seen": len(seen.data),
        "changed": len((await changed.select("id").execute()).data),
        "visible_users": len(everybody.data),
    }
    grant = {"user_id": journey.own.id, "kind": "grant", "amount": 100, "balance_after": 110}
    tool: Any = client.table("tools").update({"credit_cost": 0}).eq("id", "age")
    generation = {"user_id": journey.own.id, "tool_id": "age"}
    journey.facts["forged_rows"] = {
        "ledger": await refusal(client.table("credit_usage").insert(grant).execute()),
        "tools": await refusal(tool.select("id").execute()),
        "generations": await refusal(client.table("generations").insert(generation).execute()),
        "upsert": await refusal(client.table("users").upsert({"id": journey.own.id, "credits": 999}).execute()),
    }


async def _private(journey: Journey) -> None:
    client, admin = journey.own.client, journey.admin
    arguments = {"p_id": journey.own.id, "p_user": journey.own.id}
    journey.facts["private_schemas"] = {
        "rpc": await refusal(client.rpc("get_generation", arguments).execute()),
        "rpc_in_schema": await refusal(client.schema("sparky").rpc("get_generation", arguments).execute()),
        "table": await refusal(client.schema("sparky").from_("holds").select("*").execute()),
        "cache": await refusal(client.schema("cache").from_("kv_store").select("*").execute()),
        "auth": await refusal(client.schema("auth").from_("users").select("*").execute()),
        "with_the_secret_key": await refusal(admin.schema("sparky").from_("holds").select("*").execute()),
        "missing_table": await refusal(client.table("nothing").select("*").execute()),
    }
    rows = await admin.table("users").select("id").in_("id", [journey.own.id, journey.neighbour.id]).execute()
    money: Any = admin.table("users").update({"credits": 999}).eq("id", journey.own.id)
    journey.facts["rest_with_the_secret_key"] = {
        "users": len(rows.data),
        "credits": await refusal(money.select("id").execute()),
    }


async def _strangers(journey: Journey) -> None:
    stranger = await new_client(journey.site)
    renamed: Any = stranger.table("users").update({"username": "x"}).eq("id", journey.own.id)
    journey.facts["rest_signed_out"] = {
        "tools": len((await stranger.table("tools").select("*").execute()).data),
        "users": await refusal(stranger.table("users").select("id").execute()),
        "update": await refusal(renamed.select("id").execute()),
        "notifications": await refusal(stranger.table("notifications").select("id").execute()),
    }


async def _ids(query: Any) -> list[str]:
    return [row["id"] for row in (await query.execute()).data]
