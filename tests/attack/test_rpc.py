"""Every function of ours and of Supabase, called by RPC with whatever it takes: none of them is there."""

import pytest

from tests.attack.world import World

pytestmark = pytest.mark.usefixtures("nothing_changes")


@pytest.mark.parametrize("token", ["Alice's", "none"])
@pytest.mark.parametrize("schema", ["public", "sparky", "cache", "auth", "storage", "realtime", "extensions"])
async def test_no_function_can_be_called(world: World, schema: str, token: str) -> None:
    functions = await world.accounts.database.fetch(
        "select distinct proname as name, coalesce(proargnames[:pronargs], '{}') as arguments"
        " from pg_catalog.pg_proc where pronamespace = $1::regnamespace",
        schema,
    )
    assert schema != "sparky" or len(functions) > 30
    assert schema != "public" or functions == []
    bearer = None if token == "Alice's" else ""
    for function in functions:
        arguments = {name: str(world.bob.id) for name in function["arguments"]}
        path = f"/rest/v1/rpc/{function['name']}"
        # What is exposed is found by its bare name; other schemas are asked for by a header.
        assert (await world.call("POST", path, json=arguments, token=bearer)).status_code == 404, function
        for method, header in (("POST", "Content-Profile"), ("GET", "Accept-Profile")):
            answer = await world.call(method, path, json=arguments, headers={header: schema}, token=bearer)
            assert answer.status_code == 406, function


@pytest.mark.parametrize(
    "name",
    ["sparky.write_ledger", "sparky%2ewrite_ledger", "%22sparky%22.%22write_ledger%22", "pg_sleep", "pg_read_file",
     "set_config", "lo_import", "query_to_xml", "dblink"],
)  # fmt: skip
async def test_no_spelling_reaches_another_schema(world: World, name: str) -> None:
    answer = await world.call("POST", f"/rest/v1/rpc/{name}", json={"p_user": str(world.alice.id)})
    assert answer.status_code == 404
