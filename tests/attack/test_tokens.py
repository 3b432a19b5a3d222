"""Tokens that the project did not sign, or not for this: refused at every door, and no flood makes us fetch keys."""

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm

from schemas.settings import Settings
from tests.attack.world import World
from tests.support.forwarder import forwarding
from tests.support.intake import serving_intake

pytestmark = pytest.mark.usefixtures("nothing_changes")

STRANGER, RSA_STRANGER = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
Claims = dict[str, Any]


def claims_of(world: World, **changes: Any) -> Claims:
    """Bob's claims as the project's Auth would write them; a claim set to None is left out."""
    claims = jwt.decode(world.bobs_token, options={"verify_signature": False}) | changes
    return {name: value for name, value in claims.items() if value is not None}


def signed(world: World, key: Any = None, algorithm: str = "ES256", **changes: Any) -> str:
    """With the project's own key unless another is given, and always under its key id."""
    key = jwt.PyJWK(world.stack.keys.jwk, "ES256").key if key is None else key
    header = {"kid": world.stack.keys.jwk["kid"]}
    return jwt.encode(claims_of(world, **changes), key, algorithm, headers=header)


def by_hand(header: Claims, claims: Claims, signature: Callable[[bytes], bytes]) -> str:
    """What no library would sign."""
    text = b".".join(urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=") for part in (header, claims))
    return (text + b"." + urlsafe_b64encode(signature(text)).rstrip(b"=")).decode()


def with_public_key(world: World, form: str) -> str:
    """HS256 with the public key, which everybody knows, as the secret."""
    key = jwt.PyJWK(world.stack.keys.jwk, "ES256").key.public_key()
    der = serialization.PublicFormat.SubjectPublicKeyInfo
    secret = {
        "pem": key.public_bytes(serialization.Encoding.PEM, der),
        "pem without its last newline": key.public_bytes(serialization.Encoding.PEM, der).strip(),
        "der": key.public_bytes(serialization.Encoding.DER, der),
        "x": world.stack.keys.jwk["x"].encode(),
        "jwk": orjson.dumps(world.keys.jwks["keys"][0]),
        "jwks": orjson.dumps(world.keys.jwks),
        "nothing": b"",
    }[form]
    header = {"alg": "HS256", "typ": "JWT", "kid": world.stack.keys.jwk["kid"]}
    return by_hand(header, claims_of(world), lambda text: hmac.digest(secret, text, hashlib.sha256))


def unsigned(world: World, algorithm: str, signature: bytes = b"") -> str:
    return by_hand({"alg": algorithm, "typ": "JWT"}, claims_of(world), lambda _: signature)


def with_own_key_inside(world: World, member: str) -> str:
    """A token that brings its own key, or says where to fetch it."""
    public = orjson.loads(ECAlgorithm.to_jwk(STRANGER.public_key()))
    value = public if member == "jwk" else "http://127.0.0.1:9/keys"
    headers = {"kid": "../../../dev/null", member: value}
    return jwt.encode(claims_of(world), STRANGER, "ES256", headers=headers)


def spliced(world: World) -> str:
    """Bob's claims under the signature of Alice's token."""
    head, _, signature = world.token.split(".")
    return f"{head}.{world.bobs_token.split('.')[1]}.{signature}"


FORGED: dict[str, Callable[[World], str]] = {
    "another key": lambda world: signed(world, STRANGER),
    "another kind of key": lambda world: signed(world, RSA_STRANGER, "RS256"),
    "a spliced token": spliced,
    "a cut token": lambda world: world.bobs_token.rpartition(".")[0] + ".",
    "a zero signature": lambda world: world.bobs_token.rpartition(".")[0] + "." + "A" * 86,
    "no algorithm": lambda world: unsigned(world, "none"),
    "no algorithm, in capitals": lambda world: unsigned(world, "NONE"),
    "no algorithm, mixed": lambda world: unsigned(world, "nOnE", b"x"),
    "an empty algorithm": lambda world: unsigned(world, ""),
    **{
        f"HS256 with the public key as {form}": lambda world, form=form: with_public_key(world, form)  # type: ignore[misc]
        for form in ("pem", "pem without its last newline", "der", "x", "jwk", "jwks", "nothing")
    },
    "HS256 with the publishable key": lambda world: signed(world, world.keys.publishable_key, "HS256"),
    "its own key in the header": lambda world: with_own_key_inside(world, "jwk"),
    "its own key's address": lambda world: with_own_key_inside(world, "jku"),
    "its own certificate's address": lambda world: with_own_key_inside(world, "x5u"),
    "expired": lambda world: signed(world, exp=int(time.time()) - 60),
    "service_role of nobody's signing": lambda world: signed(world, STRANGER, role="service_role"),
    "no token at all": lambda _: "e30.e30.",
}
# Signed by the project, but not for a user of ours.
FOREIGN: dict[str, Claims] = {
    "another audience": {"aud": "somebody-else"},
    "no audience": {"aud": None},
    "another issuer": {"iss": "https://elsewhere.example/auth/v1"},
    "no issuer": {"iss": None},
    "the service role": {"role": "service_role"},
    "the anonymous role": {"role": "anon"},
    "a database role": {"role": "postgres"},
    "no role": {"role": None},
    "no subject": {"sub": None},
    "no uuid": {"sub": "bob' or true--"},
    "no expiry": {"exp": None},
    "not yet": {"nbf": 99_999_999_999},
    "an anonymous user": {"is_anonymous": True},
}


async def at_intake(world: World, token: str) -> list[int]:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=world.stack.intake_url, trust_env=False, headers=headers) as intake:
        body = {"toolId": "age", "originalImageStoragePath": world.bobs.photo}
        return [
            (await intake.get("/v1/generations")).status_code,
            (await intake.get(f"/v1/generations/{world.bobs.succeeded}")).status_code,
            (await intake.delete(f"/v1/generations/{world.bobs.succeeded}")).status_code,
            (await intake.post(f"/v1/generations/{world.bobs.queued}/cancel")).status_code,
            (await intake.post("/v1/process-image", json=body)).status_code,
        ]


@pytest.mark.parametrize("forgery", FORGED)
async def test_a_forged_token_opens_no_door(world: World, forgery: str) -> None:
    token = FORGED[forgery](world)
    assert await at_intake(world, token) == [401] * 5
    assert (await world.call("GET", "/rest/v1/users?select=id", token=token)).status_code == 401
    renamed: dict[str, Any] = {"json": {"username": "owned"}, "token": token}
    assert (await world.call("PATCH", f"/rest/v1/users?id=eq.{world.bob.id}", **renamed)).status_code == 401
    photo = f"/storage/v1/object/user_uploads/{world.bobs.photo}"
    assert 400 <= (await world.call("GET", photo, token=token)).status_code < 500
    assert 400 <= (await world.call("DELETE", photo, token=token)).status_code < 500
    said = {"messages": [{"topic": f"user:{world.bob.id}", "event": "e", "payload": {}, "private": True}]}
    assert (await world.call("POST", "/realtime/v1/api/broadcast", json=said, token=token)).status_code == 401
    assert (await world.call("GET", "/auth/v1/user", token=token)).status_code in (401, 403)


@pytest.mark.parametrize("claims", FOREIGN)
async def test_a_token_for_something_else_is_no_users_token(world: World, claims: str) -> None:
    assert await at_intake(world, signed(world, **FOREIGN[claims])) == [401] * 5


async def test_a_genuine_token_is_let_in(world: World) -> None:
    assert (await world.bob.intake.get("/v1/generations")).status_code == 200
    async with httpx.AsyncClient(base_url=world.stack.intake_url, trust_env=False) as intake:
        answer = await intake.get("/v1/generations", headers={"Authorization": f"Bearer {signed(world)}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("header", ["apikey", "sb", "Basic", "twice", "query", "cookie"])
async def test_what_is_no_bearer_token_is_nobody(world: World, header: str) -> None:
    good, secret = world.bobs_token, world.stack.secret_key
    requests: dict[str, dict[str, Any]] = {
        "apikey": {"headers": {"apikey": secret}},
        "sb": {"headers": {"Authorization": f"Bearer {secret}"}},
        "Basic": {"headers": {"Authorization": f"Basic {good}"}},
        "twice": {"headers": [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {world.token}")]},
        "query": {"params": {"access_token": good, "apikey": secret, "token": good}},
        "cookie": {"headers": {"Cookie": f"access_token={good}; sb-access-token={good}"}},
    }
    async with httpx.AsyncClient(base_url=world.stack.intake_url, trust_env=False) as intake:
        assert (await intake.get("/v1/generations", **requests[header])).status_code == 401


async def test_a_flood_of_made_up_key_ids_makes_no_flood_of_fetches(world: World) -> None:
    async with forwarding(world.stack.ports.supabase) as supabase:
        values: dict[str, Any] = {
            "database_url": world.stack.database_url("sparky_intake"),
            "database_pooler": world.stack.env.get("DATABASE_POOLER", "auto"),
            "redis_url": world.stack.redis_url,
            "supabase_url": f"http://127.0.0.1:{supabase.port}",
            "supabase_public_url": world.stack.supabase_url,
            "supabase_secret_key": world.stack.secret_key,
            "jwks_refetch_seconds": 3600,  # longer than the flood, however slow the machine
        }
        async with (
            serving_intake(Settings(_env_file=None, **values)) as url,
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as intake,
        ):
            good = {"Authorization": f"Bearer {world.bobs_token}"}
            assert (await intake.get("/v1/generations", headers=good)).status_code == 200
            fetches = supabase.sent
            assert fetches == 1
            for _ in range(300):
                made_up = jwt.encode(claims_of(world), STRANGER, "ES256", headers={"kid": uuid4().hex})
                answer = await intake.get("/v1/generations", headers={"Authorization": f"Bearer {made_up}"})
                assert answer.status_code == 401
            assert (await intake.get("/v1/generations", headers=good)).status_code == 200
            assert supabase.sent <= fetches + 1
