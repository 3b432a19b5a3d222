"""Auth: sign-up by six-digit code, sessions that rotate, and what a stranger cannot learn or do."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from supabase import AsyncClient, AuthApiError
from supabase_auth.errors import AuthWeakPasswordError

from tests.contract.supabase.conftest import PASSWORD, Project, User


async def sign_up(project: Project, email: str, name: str = "A") -> Any:
    client = await project.client()
    return await client.auth.sign_up({"email": email, "password": PASSWORD, "options": {"data": {"name": name}}})


async def verify(project: Project, email: str, code: str, kind: str = "signup") -> Any:
    return await project.http.post("/auth/v1/verify", json={"email": email, "token": code, "type": kind})


async def test_signing_up_gives_no_session_but_mails_six_digits(project: Project, email: str) -> None:
    answer = await sign_up(project, email)
    assert answer.session is None
    assert answer.user.email == email
    assert answer.user.user_metadata["name"] == "A"
    code = await project.last_code(email)
    assert len(code) == 6
    assert code.isdigit()


async def test_the_mail_shows_the_code_and_no_link(project: Project, email: str) -> None:
    await sign_up(project, email)
    mail = (await project.mails(email))[-1]
    assert mail["code"] in mail["text"]
    assert "http" not in mail["text"]


async def test_nobody_signs_in_before_the_address_is_confirmed(project: Project, email: str) -> None:
    await sign_up(project, email)
    client = await project.client()
    with pytest.raises(AuthApiError) as refused:
        await client.auth.sign_in_with_password({"email": email, "password": PASSWORD})
    assert refused.value.code == "email_not_confirmed"


@pytest.mark.parametrize("kind", ["signup", "email"])
async def test_the_code_confirms_the_address_and_signs_in(project: Project, email: str, kind: str) -> None:
    await sign_up(project, email)
    answer = await verify(project, email, await project.last_code(email), kind)
    assert answer.status_code == 200
    user = answer.json()["user"]
    assert user["email_confirmed_at"].endswith("Z")
    assert user["user_metadata"]["email_verified"] is True


async def test_a_code_is_good_once_even_when_used_twice_at_the_same_time(project: Project, email: str) -> None:
    await sign_up(project, email)
    code = await project.last_code(email)
    answers = await asyncio.gather(*(verify(project, email, code) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 403, 403, 403, 403]
    refused = next(answer for answer in answers if answer.status_code == 403)
    assert refused.json() == {"code": 403, "error_code": "otp_expired", "msg": "Token has expired or is invalid"}


async def test_a_code_expires(project: Project, email: str) -> None:
    await sign_up(project, email)
    await project.owner.execute(
        "update auth.one_time_tokens set created_at = now() - interval '61 minutes' where relates_to = $1", email
    )
    assert (await verify(project, email, await project.last_code(email))).status_code == 403


async def test_five_wrong_guesses_use_the_code_up(project: Project, email: str) -> None:
    project.need_stand_in("codes that end after five guesses; hosted Auth limits the rate instead")
    await sign_up(project, email)
    code = await project.last_code(email)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(5):
        assert (await verify(project, email, wrong)).status_code == 403
    assert (await verify(project, email, code)).status_code == 403


async def test_a_new_code_replaces_the_old_one(project: Project, email: str) -> None:
    await sign_up(project, email)
    first = await project.last_code(email)
    client = await project.client()
    await client.auth.resend({"type": "signup", "email": email})
    second = await project.last_code(email)
    if first != second:
        assert (await verify(project, email, first)).status_code == 403
    assert (await verify(project, email, second)).status_code == 200


async def test_a_code_of_one_user_is_nothing_to_another(project: Project, email: str, user: User) -> None:
    await sign_up(project, email)
    assert (await verify(project, user.email, await project.last_code(email))).status_code == 403


async def test_signing_up_a_confirmed_address_looks_like_any_sign_up(project: Project, user: User) -> None:
    before = await project.mail_count(user.email)
    answer = await sign_up(project, user.email)
    assert answer.session is None
    assert answer.user.id != user.id
    assert answer.user.identities == []
    assert await project.mail_count(user.email) == before
    current = await user.client.auth.get_user()
    assert current is not None
    assert current.user.id == user.id


async def test_many_sign_ups_at_once_make_one_user(project: Project, email: str) -> None:
    answers = await asyncio.gather(*(sign_up(project, email) for _ in range(6)))
    assert len({answer.user.id for answer in answers}) == 1
    assert await project.owner.fetchval("select count(*) from auth.users where email = $1", email) == 1


async def test_a_weak_password_is_named_as_such(project: Project, email: str) -> None:
    client = await project.client()
    with pytest.raises(AuthWeakPasswordError) as refused:
        await client.auth.sign_up({"email": email, "password": "12345"})
    assert refused.value.reasons == ["length"]


async def test_what_is_no_address_is_refused(project: Project) -> None:
    for email in ("nobody", "a@b", "a b@example.com", "a@example.com\nBcc: b@example.com", ""):
        answer = await project.http.post("/auth/v1/signup", json={"email": email, "password": PASSWORD})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "validation_failed"), email


async def test_a_failing_trigger_on_new_users_leaves_no_user(project: Project, email: str) -> None:
    client = await project.client()
    credentials: Any = {"email": email, "password": PASSWORD, "options": {"data": {"name": "refused"}}}
    with pytest.raises(AuthApiError, match="Database error saving new user"):
        await client.auth.sign_up(credentials)
    assert await project.owner.fetchval("select count(*) from auth.users where email = $1", email) == 0


async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(project: Project, user: User) -> None:
    answers = [
        await project.http.post(
            "/auth/v1/token?grant_type=password", json={"email": email, "password": "not it at all"}
        )
        for email in (user.email, "unknown@example.com")
    ]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["error_code"] == "invalid_credentials"


async def test_passwords_are_kept_as_salted_scrypt(project: Project, user: User, email: str) -> None:
    project.need_stand_in("passwords as scrypt")
    await sign_up(project, email)
    rows = await project.owner.fetch(
        "select encrypted_password as kept from auth.users where email = any($1::text[])", [user.email, email]
    )
    kept = [row["kept"] for row in rows]
    assert all(text.startswith("scrypt$") for text in kept)
    assert kept[0] != kept[1]


async def test_the_access_token_is_what_hosted_auth_issues(project: Project, user: User) -> None:
    session = await user.client.auth.get_session()
    assert session is not None
    jwks = jwt.PyJWKSet.from_dict((await project.http.get("/auth/v1/.well-known/jwks.json")).json())
    header = jwt.get_unverified_header(session.access_token)
    assert header["alg"] == "ES256"
    claims = jwt.decode(
        session.access_token,
        jwks[header["kid"]].key,
        algorithms=["ES256"],
        audience="authenticated",
        issuer=f"{project.url}/auth/v1",
    )
    assert claims["sub"] == user.id
    assert claims["role"] == "authenticated"
    assert claims["aal"] == "aal1"
    assert claims["amr"][0]["method"] == ("otp" if project.mailbox else "password")
    assert claims["is_anonymous"] is False
    assert claims["exp"] - claims["iat"] == 3600
    assert "session_id" in claims


async def test_the_private_key_is_not_published(project: Project) -> None:
    answer = await project.http.get("/auth/v1/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=600"
    assert all("d" not in key and key["kty"] == "EC" for key in answer.json()["keys"])


async def refresh(project: Project, token: str) -> Any:
    return await project.http.post("/auth/v1/token?grant_type=refresh_token", json={"refresh_token": token})


async def test_refresh_tokens_rotate(project: Project, user: User) -> None:
    session = await user.client.auth.get_session()
    assert session is not None
    fresh = await user.client.auth.refresh_session()
    assert fresh.session is not None
    assert fresh.session.refresh_token != session.refresh_token


async def test_a_client_whose_answer_was_lost_may_repeat_its_refresh(project: Project, user: User) -> None:
    session = await user.client.auth.get_session()
    assert session is not None
    first = (await refresh(project, session.refresh_token)).json()
    again = (await refresh(project, session.refresh_token)).json()
    assert again["refresh_token"] == first["refresh_token"]


async def test_refreshing_at_the_same_time_keeps_one_line_of_tokens(project: Project, user: User) -> None:
    session = await user.client.auth.get_session()
    assert session is not None
    answers = await asyncio.gather(*(refresh(project, session.refresh_token) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


async def test_an_older_refresh_token_ends_the_session(project: Project, user: User) -> None:
    session = await user.client.auth.get_session()
    assert session is not None
    parent = (await refresh(project, session.refresh_token)).json()["refresh_token"]
    current = (await refresh(project, parent)).json()["refresh_token"]
    await project.owner.execute(
        "update auth.refresh_tokens set updated_at = now() - interval '1 minute' where user_id = $1", user.id
    )
    stolen = await refresh(project, session.refresh_token)
    assert (stolen.status_code, stolen.json()["error_code"]) == (400, "refresh_token_already_used")
    assert (await refresh(project, current)).status_code == 400


async def test_an_unknown_refresh_token_is_told_apart(project: Project) -> None:
    answer = await refresh(project, "nothing")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "refresh_token_not_found")


async def test_signing_out_ends_the_session(project: Project, user: User) -> None:
    session = await user.client.auth.get_session()
    assert session is not None
    await user.client.auth.sign_out()
    assert (await refresh(project, session.refresh_token)).status_code == 400
    answer = await project.http.get("/auth/v1/user", headers={"authorization": f"Bearer {session.access_token}"})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "session_not_found")


async def test_signing_out_the_others_keeps_this_session(project: Project, user: User) -> None:
    second = await project.client()
    await second.auth.sign_in_with_password({"email": user.email, "password": PASSWORD})
    await second.auth.sign_out({"scope": "others"})
    assert (await second.auth.get_user()) is not None
    with pytest.raises(AuthApiError):
        await user.client.auth.get_user()


async def test_metadata_is_merged_and_null_removes_a_key(user: User) -> None:
    await user.client.auth.update_user({"data": {"a": 1, "b": 2}})
    answer = await user.client.auth.update_user({"data": {"a": None}})
    assert "a" not in answer.user.user_metadata
    assert answer.user.user_metadata["b"] == 2


async def test_a_new_password_replaces_the_old_one(project: Project, user: User) -> None:
    await user.client.auth.update_user({"password": "quite another"})
    client = await project.client()
    with pytest.raises(AuthApiError):
        await client.auth.sign_in_with_password({"email": user.email, "password": PASSWORD})
    await client.auth.sign_in_with_password({"email": user.email, "password": "quite another"})


async def test_a_recovery_code_signs_in(project: Project, user: User) -> None:
    client = await project.client()
    await client.auth.reset_password_for_email(user.email)
    code = await project.last_code(user.email)
    answer = await client.auth.verify_otp({"email": user.email, "token": code, "type": "recovery"})
    assert answer.session is not None


async def test_a_sign_in_code_makes_a_user_where_there_is_none(project: Project, email: str) -> None:
    client = await project.client()
    await client.auth.sign_in_with_otp({"email": email})
    code = await project.last_code(email)
    answer = await client.auth.verify_otp({"email": email, "token": code, "type": "email"})
    assert answer.user is not None
    assert answer.user.email == email


async def test_a_changed_address_counts_once_the_codes_of_both_addresses_come_back(
    project: Project, user: User, email: str
) -> None:
    answer = await user.client.auth.update_user({"email": email})
    assert answer.user.email == user.email
    assert answer.user.new_email == email
    codes = {address: await project.last_code(address) for address in (user.email, email)}
    first = await verify(project, email, codes[email], "email_change")
    assert (first.status_code, first.json()["code"]) == (200, "200")
    assert "access_token" not in first.json()
    current = await user.client.auth.get_user()
    assert current is not None
    assert current.user.email == user.email
    assert (await verify(project, email, codes[email], "email_change")).status_code == 403
    changed = await user.client.auth.verify_otp(
        {"email": user.email, "token": codes[user.email], "type": "email_change"}
    )
    assert changed.user is not None
    assert changed.user.email == email


async def test_an_address_asked_for_later_takes_the_place_of_an_earlier_one(
    project: Project, user: User, email: str
) -> None:
    await user.client.auth.update_user({"email": f"earlier-{email}"})
    earlier = await project.last_code(f"earlier-{email}")
    assert (await verify(project, f"earlier-{email}", earlier, "email_change")).status_code == 200
    await user.client.auth.update_user({"email": email})
    assert (await verify(project, email, await project.last_code(email), "email_change")).json()["code"] == "200"
    await verify(project, user.email, await project.last_code(user.email), "email_change")
    current = await user.client.auth.get_user()
    assert current is not None
    assert current.user.email == email


async def test_asking_for_codes_tells_nothing_about_who_exists(project: Project, email: str, user: User) -> None:
    for path, body in (("recover", {}), ("resend", {"type": "signup"})):
        answers = [
            await project.http.post(f"/auth/v1/{path}", json={"email": address, **body})
            for address in (email, user.email)
        ]
        assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {}), (200, {})]
    assert await project.mail_count(email) == 0


async def test_the_secret_key_creates_lists_and_deletes_users(admin: AsyncClient, email: str) -> None:
    made = await admin.auth.admin.create_user({"email": email, "password": PASSWORD, "email_confirm": True})
    assert made.user.email_confirmed_at is not None
    assert email in [user.email for user in await admin.auth.admin.list_users(per_page=1000)]
    assert (await admin.auth.admin.get_user_by_id(made.user.id)).user.email == email
    await admin.auth.admin.delete_user(made.user.id)
    with pytest.raises(AuthApiError, match="User not found"):
        await admin.auth.admin.get_user_by_id(made.user.id)


async def test_nobody_else_administers_users(user: User, email: str) -> None:
    with pytest.raises(AuthApiError) as refused:
        await user.client.auth.admin.create_user({"email": email, "password": PASSWORD})
    assert refused.value.code in ("not_admin", "bad_jwt")


async def test_a_deleted_users_token_is_nobodys(
    project: Project, admin: AsyncClient, new_user: Callable[[], Any]
) -> None:
    user = await new_user()
    await admin.auth.admin.delete_user(user.id)
    with pytest.raises(AuthApiError) as refused:
        await user.client.auth.get_user()
    assert refused.value.code == "user_not_found"


async def test_keys_and_tokens_that_are_not_ours_are_refused(project: Project, user: User) -> None:
    stranger = jwt.encode({"role": "service_role", "exp": time.time() + 60}, "x" * 32, algorithm="HS256")
    unsigned = jwt.encode({"role": "service_role", "exp": time.time() + 60}, "", algorithm="none")
    expired = project.keys.sign({"sub": user.id, "role": "authenticated", "exp": time.time() - 60})
    superuser = project.keys.sign({"sub": user.id, "role": "supabase_admin", "exp": time.time() + 60})
    for token in (stranger, unsigned, expired, superuser, "sb_secret_guess", "nonsense"):
        answer = await project.http.get("/rest/v1/colours", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401, token
        answer = await project.http.get("/rest/v1/colours", headers={"apikey": token})
        assert answer.status_code == 401, token
    assert (await project.http.get("/rest/v1/colours")).status_code == 200


async def test_a_token_signed_with_the_shared_secret_is_accepted(project: Project, user: User) -> None:
    claims = {"sub": user.id, "role": "authenticated", "exp": time.time() + 60}
    token = jwt.encode(claims, project.keys.hs256_secret or "", algorithm="HS256")
    answer = await project.http.get("/rest/v1/people", headers={"authorization": f"Bearer {token}"})
    assert [row["id"] for row in answer.json()] == [user.id]
