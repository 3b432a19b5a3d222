"""Only a user's own, fresh, properly signed token opens the door, and nobody can make us fetch keys at will."""

import asyncio
import hashlib
import hmac
import socket
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import orjson
import pytest
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.requests import Request
from starlette.responses import Response

from producers.intake.auth import Authenticator
from producers.intake.signing_keys import KeysUnavailableError, SigningKeys
from schemas.problems import ProblemError
from schemas.settings import Settings

SECRET = "a shared secret that is long enough for every algorithm of the family, HS512 too"
USER = UUID("0b8ef63a-5c1d-4c0e-9a56-1d2f3a4b5c6d")
EC_KEY, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


def public(algorithm: Any, key: Any, kid: str, **more: str) -> dict[str, Any]:
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


@dataclass
class KeyServer:
    """The project's JWKS address, with a count of who asked and a switch to be away."""

    url: str = ""
    fetches: int = 0
    away: bool = False
    keys: list[dict[str, Any]] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"] == "/auth/v1/.well-known/jwks.json"
        self.fetches += 1
        if self.gate is not None:
            await self.gate.wait()
        content = b"" if self.away else orjson.dumps({"keys": self.keys})
        await Response(content, status_code=502 if self.away else 200)(scope, receive, send)


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    keys = KeyServer(keys=[public(ECAlgorithm, EC_KEY, "ec", alg="ES256"), public(RSAAlgorithm, RSA_KEY, "rsa")])
    listener = socket.create_server(("127.0.0.1", 0))
    keys.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    running = uvicorn.Server(uvicorn.Config(keys, lifespan="off", log_config=None))
    task = asyncio.create_task(running.serve(sockets=[listener]))
    yield keys
    running.should_exit = True
    await task


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


def settings(server: KeyServer, **more: Any) -> Settings:
    base = {"database_url": "x", "redis_url": "x", "supabase_secret_key": "x", "supabase_url": server.url}
    return Settings(_env_file=None, **{**base, **more})


@pytest.fixture
def authenticator(server: KeyServer, client: httpx.AsyncClient) -> Authenticator:
    return Authenticator(settings(server), client)


@pytest.fixture
def sign(server: KeyServer) -> Callable[..., str]:
    """Signs a good token, but for what a test changes; a claim set to None is left out."""

    def signed(key: Any = EC_KEY, algorithm: str = "ES256", kid: str | None = "ec", **changes: Any) -> str:
        claims = {
            "iss": f"{server.url}/auth/v1",
            "aud": "authenticated",
            "role": "authenticated",
            "sub": str(USER),
            "exp": int(time.time()) + 600,
            "iat": int(time.time()),
            **changes,
        }
        present = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(present, key, algorithm, headers={"kid": kid} if kid else None)

    return signed


Signer = Callable[..., str]


async def refused(authenticator: Authenticator, header: str) -> ProblemError:
    with pytest.raises(ProblemError) as refusal:
        await authenticator.owner(header)
    assert refusal.value.type.code == "unauthenticated"
    assert refusal.value.headers["WWW-Authenticate"].startswith("Bearer")
    return refusal.value


async def test_a_users_token_says_who_is_calling(authenticator: Authenticator, sign: Signer) -> None:
    assert await authenticator.owner(f"Bearer {sign()}") == USER
    assert await authenticator.owner(f"bearer {sign(RSA_KEY, 'RS256', 'rsa')}") == USER
    assert await authenticator.owner(f"Bearer {sign(exp=int(time.time()) - 2)}") == USER  # clocks differ a little


async def test_the_keys_are_fetched_once_for_many_callers(
    authenticator: Authenticator, server: KeyServer, sign: Signer
) -> None:
    tokens = [sign(sub=str(uuid4())) for _ in range(20)]
    server.gate = asyncio.Event()
    callers = asyncio.gather(*(authenticator.owner(f"Bearer {token}") for token in tokens))
    asyncio.get_running_loop().call_later(0.05, server.gate.set)
    assert len(set(await callers)) == 20
    assert server.fetches == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"aud": "anon"},
        {"aud": None},
        {"aud": []},
        {"iss": "https://elsewhere.example/auth/v1"},
        {"iss": None},
        {"role": "service_role"},
        {"role": "anon"},
        {"role": None},
        {"sub": None},
        {"sub": "somebody"},
        {"sub": str(USER).upper()},
        {"sub": USER.hex},
        {"nbf": 99_999_999_999},
        {"is_anonymous": True},
    ],
    ids=str,
)
async def test_each_claim_counts(authenticator: Authenticator, sign: Signer, changes: dict[str, Any]) -> None:
    await refused(authenticator, f"Bearer {sign(**changes)}")


def compact(header: dict[str, Any], claims: dict[str, Any], signature: Callable[[bytes], bytes]) -> str:
    parts = [urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=") for part in (header, claims)]
    signed = b".".join(parts)
    return (signed + b"." + urlsafe_b64encode(signature(signed)).rstrip(b"=")).decode()


async def test_forged_tokens_are_refused(authenticator: Authenticator, sign: Signer) -> None:
    good = sign()
    head, claims, signature = good.split(".")
    _, other_claims, _ = sign(sub=str(uuid4())).split(".")
    for token in (
        sign(OTHER_KEY),
        f"{head}.{other_claims}.{signature}",
        f"{head}.{claims}.",
        f"{head}.{claims}",
        f"{good}x",
        sign(RSA_KEY, "RS256", "ec"),
        sign(EC_KEY, "ES256", "rsa"),
        sign(RSA_KEY, "RS512", "rsa"),
        sign(kid=None),
        "",
        "a.b.c",
        "...",
        "é" * 10,
        "x" * 9000,
    ):
        await refused(authenticator, f"Bearer {token}")
    for header in (good, f"Basic {good}", f"Bearer{good}", "Bearer", ""):
        await refused(authenticator, header)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
async def test_no_algorithm_is_no_signature(authenticator: Authenticator, sign: Signer, algorithm: str) -> None:
    claims = jwt.decode(sign(), options={"verify_signature": False})
    for signature in (b"", b"x"):
        token = compact({"alg": algorithm, "kid": "ec"}, claims, lambda _, signature=signature: signature)  # type: ignore[misc]
        await refused(authenticator, f"Bearer {token}")


@pytest.mark.parametrize("shared_secret", [None, SECRET])
async def test_a_public_key_is_not_a_shared_secret(
    server: KeyServer, client: httpx.AsyncClient, sign: Signer, shared_secret: str | None
) -> None:
    authenticator = Authenticator(settings(server, supabase_jwt_secret=shared_secret), client)
    claims = jwt.decode(sign(), options={"verify_signature": False})
    for key in (EC_KEY, RSA_KEY):
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        for kid in ("ec", "rsa", None):
            header = {"alg": "HS256", "kid": kid} if kid else {"alg": "HS256"}
            token = compact(header, claims, lambda signed, pem=pem: hmac.digest(pem, signed, hashlib.sha256))  # type: ignore[misc]
            await refused(authenticator, f"Bearer {token}")


async def test_the_shared_secret_counts_only_where_one_is_set(
    server: KeyServer, client: httpx.AsyncClient, sign: Signer
) -> None:
    token = sign(SECRET, "HS256", None)
    await refused(Authenticator(settings(server), client), f"Bearer {token}")
    legacy = Authenticator(settings(server, supabase_jwt_secret=SECRET), client)
    assert await legacy.owner(f"Bearer {token}") == USER
    assert await legacy.owner(f"Bearer {sign(SECRET, 'HS256', 'legacy-key')}") == USER
    await refused(legacy, f"Bearer {sign(SECRET, 'HS512', None)}")
    assert server.fetches == 0


async def test_made_up_key_ids_cause_one_fetch_at_most(
    authenticator: Authenticator, server: KeyServer, sign: Signer
) -> None:
    await authenticator.owner(f"Bearer {sign()}")
    for number in range(50):
        await refused(authenticator, f"Bearer {sign(OTHER_KEY, kid=f'made-up-{number}')}")
    assert server.fetches == 1


async def test_a_new_key_is_found_without_waiting_for_the_cache_to_end(
    server: KeyServer, client: httpx.AsyncClient, sign: Signer
) -> None:
    authenticator = Authenticator(settings(server, jwks_refetch_seconds=1e-9), client)
    await authenticator.owner(f"Bearer {sign()}")
    server.keys.append(public(ECAlgorithm, OTHER_KEY, "new", alg="ES256"))
    assert await authenticator.owner(f"Bearer {sign(OTHER_KEY, kid='new')}") == USER
    assert server.fetches == 2


async def test_a_key_that_was_taken_away_opens_nothing_once_the_keys_are_fetched_again(
    server: KeyServer, client: httpx.AsyncClient, sign: Signer
) -> None:
    authenticator = Authenticator(settings(server, jwks_refetch_seconds=1e-9), client)
    token = sign()
    assert await authenticator.owner(f"Bearer {token}") == USER
    server.keys = [public(ECAlgorithm, OTHER_KEY, "new", alg="ES256")]
    assert await authenticator.owner(f"Bearer {sign(OTHER_KEY, kid='new')}") == USER
    await refused(authenticator, f"Bearer {token}")


async def test_without_any_keys_the_service_is_unavailable(
    authenticator: Authenticator, server: KeyServer, sign: Signer
) -> None:
    server.away = True
    with pytest.raises(ProblemError) as refusal:
        await authenticator.owner(f"Bearer {sign()}")
    assert (refusal.value.type.code, "Retry-After" in refusal.value.headers) == ("unavailable", True)


async def test_who_brings_no_token_is_told_so_without_any_fetch(
    authenticator: Authenticator, server: KeyServer
) -> None:
    for headers in ([], [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]):
        with pytest.raises(ProblemError) as refusal:
            await authenticator.user_id(Request({"type": "http", "headers": headers}))
        assert refusal.value.type.code == "unauthenticated"
    assert server.fetches == 0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(server: KeyServer, client: httpx.AsyncClient, clock: Clock) -> SigningKeys:
    url = f"{server.url}/auth/v1/.well-known/jwks.json"
    return SigningKeys(client, url, cache_seconds=600, refetch_seconds=10, clock=clock)


async def test_fresh_keys_go_on_working_while_the_address_is_away_and_no_longer(
    keys: SigningKeys, server: KeyServer, clock: Clock
) -> None:
    assert await keys.get("ec") is not None
    server.away = True
    clock.now += 599
    assert await keys.get("ec") is not None
    await keys.close()
    clock.now += 1
    with pytest.raises(KeysUnavailableError):
        await keys.get("ec")
    server.away = False
    clock.now += 1
    assert await keys.get("ec") is not None


async def test_keys_are_renewed_in_the_background_before_they_end(
    keys: SigningKeys, server: KeyServer, clock: Clock
) -> None:
    before = await keys.get("ec")
    server.gate = asyncio.Event()
    clock.now += 301
    assert await keys.get("ec") is before
    server.gate.set()
    assert keys._fetching is not None
    await keys._fetching
    assert await keys.get("ec") is not before
    clock.now += 599
    assert await keys.get("ec") is not None
    await keys.close()


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": [1, {"kty": "EC"}, {"kty": "oct", "k": "AA", "kid": "ec"}]}'],
)
async def test_what_is_no_key_is_never_trusted(client: httpx.AsyncClient, document: bytes) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=document))
    async with httpx.AsyncClient(transport=transport) as broken:
        keys = SigningKeys(broken, "http://project.example/jwks", cache_seconds=600, refetch_seconds=10)
        with suppress(KeysUnavailableError):
            assert await keys.get("ec") is None
