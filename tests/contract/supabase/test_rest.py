"""REST: select, change and call under row level security, in PostgREST's forms."""

from typing import Any

import pytest
from postgrest.exceptions import APIError
from supabase import AsyncClient

from tests.contract.supabase.conftest import Project, User


async def notes(user: User, *rows: dict[str, Any]) -> list[Any]:
    answer = (
        await user.client.table("notes")
        .insert([{**row, "title": f"{user.id} {row['title']}"} for row in rows])
        .execute()
    )
    return list(answer.data)


def column(name: str, answer: Any) -> list[Any]:
    return [row[name] for row in answer.data]


async def test_a_user_sees_and_changes_only_their_own_rows(user: User, new_user: Any) -> None:
    other = await new_user()
    (row,) = await notes(user, {"title": "mine"})
    assert row["user_id"] == user.id
    assert (await other.client.table("notes").select("*").eq("id", row["id"]).execute()).data == []
    assert (await other.client.table("notes").update({"stars": 1}).eq("id", row["id"]).execute()).data == []
    assert (await other.client.table("notes").delete().eq("id", row["id"]).execute()).data == []
    assert (await user.client.table("notes").select("stars").eq("id", row["id"]).execute()).data == [{"stars": None}]
    with pytest.raises(APIError) as refused:
        await other.client.table("notes").insert({"title": "forged", "user_id": user.id}).execute()
    assert refused.value.code == "42501"


async def test_filters_order_and_pages(user: User) -> None:
    made = await notes(user, *({"title": str(stars), "stars": stars, "tags": ["t"]} for stars in range(5)))
    table = user.client.table("notes")

    async def stars(query: Any) -> list[int]:
        return [row["stars"] for row in (await query.order("stars").execute()).data]

    assert await stars(table.select("stars").gt("stars", 1).lte("stars", 3)) == [2, 3]
    assert await stars(table.select("stars").neq("stars", 0).lt("stars", 2)) == [1]
    assert await stars(table.select("stars").gte("stars", 4)) == [4]
    assert await stars(table.select("stars").in_("id", [made[0]["id"], made[3]["id"]])) == [0, 3]
    assert await stars(table.select("stars").not_.in_("stars", [0, 1, 2])) == [3, 4]
    assert await stars(table.select("stars").is_("details", "null").like("title", "%3")) == [3]
    assert await stars(table.select("stars").not_.is_("details", "null")) == []
    assert await stars(table.select("stars").ilike("title", f"{user.id.upper()}%").eq("stars", 1)) == [1]
    answer = await table.select("*", count="exact").order("stars", desc=True).range(1, 2).execute()  # type: ignore[arg-type]
    assert (column("stars", answer), answer.count) == ([3, 2], 5)
    answer = await table.select("*").order("stars", desc=True).limit(1).offset(1).execute()
    assert column("stars", answer) == [3]


async def test_values_with_commas_quotes_and_wildcards_are_only_values(project: Project) -> None:
    client = await project.client()
    table = client.table("colours")
    assert (await table.select("id").in_("id", ["a,b", "red"]).order("id").execute()).data == [
        {"id": "a,b"},
        {"id": "red"},
    ]
    assert (await table.select("id").eq("id", "x' or '1'='1").execute()).data == []
    assert (await table.select("id").eq("id", "100%").execute()).data == [{"id": "100%"}]
    for column in ('id"; drop table public.colours; --', "id) or (true", "nothing"):
        with pytest.raises(APIError) as refused:
            await table.select("*").eq(column, "1").execute()
        assert refused.value.code in ("42703", "PGRST100")
    assert len((await table.select("*").execute()).data) == 4


async def test_columns_may_be_chosen_and_renamed(project: Project) -> None:
    answer = await project.http.get("/rest/v1/colours?select=name:id,hex&id=eq.red")
    assert answer.json() == [{"name": "red", "hex": "f44336"}]
    assert answer.headers["content-range"] == "0-0/*"


async def test_one_object_is_one_row(user: User) -> None:
    answer = await user.client.table("people").select("id,credits").eq("id", user.id).single().execute()
    assert answer.data == {"id": user.id, "credits": 10}
    with pytest.raises(APIError) as none:
        await user.client.table("notes").select("*").single().execute()
    assert none.value.code == "PGRST116"
    assert await user.client.table("notes").select("*").maybe_single().execute() is None


async def test_asking_for_one_object_undoes_a_change_of_several(user: User) -> None:
    await notes(user, {"title": "a", "stars": 1}, {"title": "b", "stars": 1})
    with pytest.raises(APIError) as refused:
        await user.client.table("notes").update({"stars": 2}).eq("stars", 1).single().execute()
    assert refused.value.code == "PGRST116"
    assert len((await user.client.table("notes").select("*").eq("stars", 1).execute()).data) == 2


async def test_only_granted_columns_can_be_changed(user: User) -> None:
    answer = await user.client.table("people").update({"name": "B"}).eq("id", user.id).execute()
    assert answer.data == [{"id": user.id, "name": "B", "credits": 10}]
    with pytest.raises(APIError) as refused:
        await user.client.table("people").update({"credits": 1000}).eq("id", user.id).execute()
    assert refused.value.code == "42501"


async def test_an_upsert_inserts_or_merges(user: User) -> None:
    (row,) = await notes(user, {"title": "a", "stars": 1})
    table = user.client.table("notes")
    answer = await table.upsert({"title": row["title"], "stars": 9}, on_conflict="title").execute()
    assert (column("id", answer), column("stars", answer)) == ([row["id"]], [9])
    ignored = await table.upsert(
        {"title": row["title"], "stars": 5}, on_conflict="title", ignore_duplicates=True
    ).execute()
    assert ignored.data == []


async def test_json_and_arrays_keep_their_shape(user: User) -> None:
    (row,) = await notes(user, {"title": "a", "tags": ["x", "y,z"], "details": {"deep": [1, None, "é"]}})
    assert row["tags"] == ["x", "y,z"]
    assert row["details"] == {"deep": [1, None, "é"]}


async def test_a_change_without_a_filter_is_refused(user: User) -> None:
    await notes(user, {"title": "a"})
    for query in (user.client.table("notes").update({"stars": 1}), user.client.table("notes").delete()):
        with pytest.raises(APIError, match="requires a WHERE clause") as refused:
            await query.execute()
        assert refused.value.code == "21000"
    assert len((await user.client.table("notes").select("*").execute()).data) == 1


async def test_errors_are_told_as_postgrest_tells_them(project: Project, user: User, admin: AsyncClient) -> None:
    (row,) = await notes(user, {"title": "a"})
    secret = {"apikey": project.keys.secret_key}
    http = project.http
    duplicate = await http.post("/rest/v1/notes", json={"title": row["title"], "user_id": user.id}, headers=secret)
    assert (duplicate.status_code, duplicate.json()["code"]) == (409, "23505")
    for path, status, code in (
        ("/rest/v1/people", 401, "42501"),
        ("/rest/v1/nothing", 404, "PGRST205"),
        ("/rest/v1/colours?hex=eq", 400, "PGRST100"),
        ("/rest/v1/colours?select=notes(*)", 400, "PGRST100"),
        ("/rest/v1/rpc/nothing", 404, "PGRST202"),
    ):
        answer = await http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
        assert answer.json().keys() == {"code", "message", "details", "hint"}
    wrong = await http.get("/rest/v1/notes?id=eq.x", headers=secret)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "22P02")
    unknown = await http.post("/rest/v1/notes", json={"titel": "a"}, headers=secret)
    assert (unknown.status_code, unknown.json()["code"]) == (400, "PGRST204")
    missing = await http.post("/rest/v1/notes", json={"user_id": user.id}, headers=secret)
    assert (missing.status_code, missing.json()["code"]) == (400, "23502")


async def test_only_the_public_schema_is_exposed(project: Project, admin: AsyncClient) -> None:
    for schema in ("hidden", "auth", "storage", "pg_catalog"):
        for query in (
            admin.schema(schema).table("users").select("*"),
            admin.schema(schema).table("users").insert({"id": 1}),
            admin.schema(schema).rpc("uid", {}),
        ):
            with pytest.raises(APIError) as refused:
                await query.execute()
            assert refused.value.code == "PGRST106"
    answer = await project.http.get("/rest/v1/secrets", headers={"accept-profile": "hidden"})
    assert answer.status_code == 406


async def test_functions_answer_in_the_form_of_what_they_return(project: Project, user: User) -> None:
    rpc = user.client.rpc
    assert (await rpc("add", {"a": 1, "b": 2}).execute()).data == 3
    assert (await rpc("add", {"a": 1}).execute()).data == 2
    (row,) = await notes(user, {"title": "a"})
    assert (await rpc("my_titles", {}).execute()).data == [{"title": row["title"]}]
    assert (await project.http.get("/rest/v1/rpc/add?a=4&b=5")).json() == 9
    assert (await project.http.get("/rest/v1/rpc/forget")).status_code == 405
    session = await user.client.auth.get_session()
    assert session is not None
    headers = {"authorization": f"Bearer {session.access_token}"}
    assert (await project.http.post("/rest/v1/rpc/forget", json={}, headers=headers)).status_code == 204
    assert (await user.client.table("notes").select("*").execute()).data == []
