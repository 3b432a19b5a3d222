"""Auth as browsers meet it: keys that they may not hold, headers, origins."""

from tests.contract.supabase.conftest import Project


async def test_the_secret_key_is_refused_in_a_browser(project: Project) -> None:
    headers = {"apikey": project.keys.secret_key, "user-agent": "Mozilla/5.0 (X11)"}
    assert (await project.http.get("/rest/v1/notes", headers=headers)).status_code == 401


async def test_browsers_may_call_with_the_clients_headers(project: Project) -> None:
    asked = "apikey,authorization,content-type,prefer,x-client-info,x-supabase-api-version,x-upsert"
    for path in ("/auth/v1/signup", "/rest/v1/notes", "/storage/v1/object/photos/a.png"):
        answer = await project.http.options(
            path,
            headers={
                "origin": "http://localhost:3000",
                "access-control-request-method": "POST",
                "access-control-request-headers": asked,
            },
        )
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        allowed = answer.headers["access-control-allow-headers"].replace(" ", "").lower().split(",")
        assert set(asked.split(",")) <= set(allowed)


async def test_no_page_of_another_origin_may_read_the_mails(project: Project) -> None:
    project.need_stand_in("mails over HTTP")
    answer = await project.http.get("/outbox", headers={"origin": "http://elsewhere"})
    assert "access-control-allow-origin" not in answer.headers
