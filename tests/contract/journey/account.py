"""Sign-up to password recovery; at the end the customer is signed in, and a confirmed neighbour too."""

from typing import Any

from supabase import AsyncClient
from supabase_auth.errors import AuthError
from supabase_auth.types import AuthResponse, Session

from tests.contract.journey.journey import Journey, new_client, refusal

NEW_PASSWORD = "a better password"


async def account(journey: Journey) -> None:
    await _sign_up(journey)
    await _confirm(journey)
    await _change(journey)
    await _sign_in_and_out(journey)
    await _refresh(journey)
    await _recover(journey)
    await _known_address(journey)
    await _admin(journey)


async def _sign_up(journey: Journey) -> None:
    own, facts = journey.own, journey.facts
    answer = await own.client.auth.sign_up(
        {"email": own.email, "password": own.password, "options": {"data": {"full_name": "Ada"}}}
    )
    assert answer.user is not None
    own.id = answer.user.id
    facts["sign_up"] = {
        "session": answer.session is not None,
        "confirmed": answer.user.email_confirmed_at is not None,
        "identities": len(answer.user.identities or []),
        "email": answer.user.email == own.email,
        "full_name": answer.user.user_metadata["full_name"],
    }
    facts["sign_up_with_a_weak_password"] = {
        "refused": await refusal(own.client.auth.sign_up({"email": f"weak-{own.email}", "password": "short"}))
    }
    facts["sign_in_before_confirming"] = {"refused": await refusal(_sign_in(own.client, own.email, own.password))}


async def _confirm(journey: Journey) -> None:
    own, facts, auth = journey.own, journey.facts, journey.own.client.auth
    first = (await journey.mails())[-1]["code"]
    wrong = f"{(int(first) + 1) % 1_000_000:06d}"
    facts["wrong_code"] = {
        "refused": await refusal(auth.verify_otp({"email": own.email, "token": wrong, "type": "signup"}))
    }
    await auth.resend({"type": "signup", "email": own.email})
    mails = await journey.mails()
    facts["resend"] = {
        "kinds": [mail["kind"] for mail in mails],
        "earlier_code": await refusal(auth.verify_otp({"email": own.email, "token": first, "type": "signup"})),
    }
    answer = await auth.verify_otp({"email": own.email, "token": mails[-1]["code"], "type": "signup"})
    assert answer.user is not None
    assert answer.session is not None
    facts["verify_code"] = {
        "own": answer.user.id == own.id,
        "confirmed": answer.user.email_confirmed_at is not None,
        "token_type": answer.session.token_type,
        "expires_in": answer.session.expires_in,
        "used_again": await refusal(
            (await new_client(journey.site)).auth.verify_otp(
                {"email": own.email, "token": mails[-1]["code"], "type": "signup"}
            )
        ),
    }


async def _change(journey: Journey) -> None:
    own, facts, auth = journey.own, journey.facts, journey.own.client.auth
    current = await auth.get_user()
    assert current is not None
    facts["get_user"] = {
        "own": current.user.id == own.id,
        "role": current.user.role,
        "provider": current.user.app_metadata["provider"],
        "metadata": sorted(current.user.user_metadata),
    }
    updated = await auth.update_user({"data": {"full_name": None, "colour": "pink"}})
    facts["update_user"] = {"colour": updated.user.user_metadata["colour"], "kept": sorted(updated.user.user_metadata)}
    facts["get_claims"] = await _claims(journey)


async def _claims(journey: Journey) -> dict[str, object]:
    answer = await journey.own.client.auth.get_claims()
    assert answer is not None
    claims: dict[str, Any] = {**answer["claims"]}
    header = answer["headers"]
    return {
        "algorithm": header["alg"],
        "own": claims["sub"] == journey.own.id,
        "issuer": claims["iss"] == f"{journey.site.supabase_url}/auth/v1",
        "audience": claims["aud"],
        "role": claims["role"],
        "level": claims["aal"],
        "methods": [entry["method"] for entry in claims["amr"]],
    }


async def _sign_in_and_out(journey: Journey) -> None:
    own, facts, auth = journey.own, journey.facts, journey.own.client.auth
    before = await _session(own.client)
    await auth.sign_out()
    stranger = await new_client(journey.site)
    facts["sign_out"] = {
        "session": await auth.get_session() is not None,
        "user_of_old_token": await _is_known(stranger, before.access_token),
        "refresh": await refusal(stranger.auth.refresh_session(before.refresh_token)),
    }
    facts["wrong_password"] = {"refused": await refusal(_sign_in(own.client, own.email, "not the password"))}
    facts["unknown_address"] = {"refused": await refusal(_sign_in(own.client, f"nobody-{own.email}", own.password))}
    answer = await _sign_in(own.client, own.email, own.password)
    assert answer.user is not None
    facts["sign_in"] = {"own": answer.user.id == own.id, "methods": (await _claims(journey))["methods"]}


async def _refresh(journey: Journey) -> None:
    own, facts = journey.own, journey.facts
    before = await _session(own.client)
    await own.client.auth.refresh_session()
    after = await _session(own.client)
    other = await new_client(journey.site)
    await other.auth.refresh_session(before.refresh_token)
    repeated = await _session(other)
    facts["refresh_session"] = {
        "own": after.user.id == own.id,
        "other_access_token": after.access_token != before.access_token,
        "other_refresh_token": after.refresh_token != before.refresh_token,
        "repeated_gets_the_current_one": repeated.refresh_token == after.refresh_token,
        "unknown": await refusal(other.auth.refresh_session("unknown")),
    }
    third = await new_client(journey.site)
    await third.auth.set_session(after.access_token, after.refresh_token)
    facts["set_session"] = {"own": (await _session(third)).user.id == own.id, "known": await _is_known(third)}


async def _recover(journey: Journey) -> None:
    own, facts, auth = journey.own, journey.facts, journey.own.client.auth
    elsewhere = await new_client(journey.site)
    await _sign_in(elsewhere, own.email, own.password)
    await auth.reset_password_for_email(own.email)
    mail = (await journey.mails())[-1]
    answer = await auth.verify_otp({"email": own.email, "token": mail["code"], "type": "recovery"})
    assert answer.user is not None
    same = await refusal(auth.update_user({"password": own.password}))
    await auth.update_user({"password": NEW_PASSWORD})
    old, own.password = own.password, NEW_PASSWORD
    facts["reset_password"] = {
        "kind": mail["kind"],
        "own": answer.user.id == own.id,
        "same_password": same,
        "old_password": await refusal(_sign_in(await new_client(journey.site), own.email, old)),
        "new_password": await refusal(_sign_in(own.client, own.email, NEW_PASSWORD)),
        "other_session_is_known": await _is_known(elsewhere),
    }
    await auth.sign_in_with_otp({"email": own.email, "options": {"should_create_user": False}})
    mail = (await journey.mails())[-1]
    answer = await auth.verify_otp({"email": own.email, "token": mail["code"], "type": "email"})
    assert answer.user is not None
    facts["sign_in_with_code"] = {
        "kind": mail["kind"],
        "own": answer.user.id == own.id,
        "unknown_address": await refusal(
            elsewhere.auth.sign_in_with_otp({"email": f"nobody-{own.email}", "options": {"should_create_user": False}})
        ),
    }


async def _known_address(journey: Journey) -> None:
    """Nothing tells a stranger that the address has an account."""
    own, stranger = journey.own, await new_client(journey.site)
    mails = len(await journey.mails())
    answer = await stranger.auth.sign_up({"email": own.email, "password": "somebody else's"})
    assert answer.user is not None
    resent = await refusal(stranger.auth.resend({"type": "signup", "email": own.email}))
    journey.facts["sign_up_again"] = {
        "session": answer.session is not None,
        "own": answer.user.id == own.id,
        "confirmed": answer.user.email_confirmed_at is not None,
        "identities": len(answer.user.identities or []),
        "resend": resent,
        "mails": len(await journey.mails()) - mails,
    }


async def _admin(journey: Journey) -> None:
    neighbour = journey.neighbour
    created = await journey.admin.auth.admin.create_user(
        {"email": neighbour.email, "password": neighbour.password, "email_confirm": True}
    )
    neighbour.id = created.user.id
    answer = await _sign_in(neighbour.client, neighbour.email, neighbour.password)
    assert answer.user is not None
    journey.facts["admin_creates_a_user"] = {
        "confirmed": created.user.email_confirmed_at is not None,
        "signs_in": answer.user.id == created.user.id,
        "by_a_customer": await refusal(
            journey.own.client.auth.admin.create_user({"email": f"x-{neighbour.email}", "password": "whatever"})
        ),
    }


async def _sign_in(client: AsyncClient, email: str, password: str) -> AuthResponse:
    return await client.auth.sign_in_with_password({"email": email, "password": password})


async def _session(client: AsyncClient) -> Session:
    session = await client.auth.get_session()
    assert session is not None
    return session


async def _is_known(client: AsyncClient, token: str | None = None) -> bool:
    """Whether Auth still knows this token's user and session, or the client's own."""
    try:
        return await client.auth.get_user(token) is not None
    except AuthError:
        return False
