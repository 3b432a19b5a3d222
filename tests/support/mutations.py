"""Callbacks that Paymob never sent: genuine ones with their bodies or signatures changed, at random from a seed."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from deploy.local.paymob.merchant import HMAC_SECRET
from schemas.paymob.signature import TOKEN_VALUES, TRANSACTION_VALUES, sign, subscription_text, token_text
from tests.support.paymob import digest, transaction

TOKEN: Final = {
    "id": 8_201, "token": "f00d" * 12, "masked_pan": "xxxx-xxxx-xxxx-2346", "merchant_id": 160_001,
    "card_subtype": "MasterCard", "created_at": "2026-11-20T12:00:31.000000", "email": "buyer@example.com",
    "order_id": "217503754",
}  # fmt: skip
SUBSCRIPTION: Final = {
    "subscription_data": {"id": 1264, "state": "active"},
    "trigger_type": "Subscription Created",
    "transaction_id": 9,
}
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 4001, 10_000, 10**19, 1.0, 0.5, 1e300,
    "", "true", "EGP", "2026", "é", "\0", [], {}, [1],
)  # fmt: skip


@dataclass(frozen=True)
class Posted:
    """A body and the `hmac` parameters it is posted with."""

    body: bytes
    hmacs: tuple[str, ...]


def genuine() -> list[Posted]:
    """One callback of each kind, as Paymob sends it."""
    obj = transaction()
    subscription = {**SUBSCRIPTION, "hmac": sign(HMAC_SECRET, subscription_text("Subscription Created", 1264))}
    return [
        Posted(orjson.dumps({"type": "TRANSACTION", "obj": obj}), (digest(obj),)),
        Posted(orjson.dumps({"type": "TOKEN", "obj": TOKEN}), (sign(HMAC_SECRET, token_text(TOKEN)),)),
        Posted(orjson.dumps(subscription), ()),
    ]


def mutants(seed: int) -> Iterator[Posted]:
    """Without end, and never one that says what a genuine one says."""
    rng = random.Random(seed)
    originals = [(posted, meaning(posted)) for posted in genuine()]
    while True:
        posted, meant = rng.choice(originals)
        mutant = rng.choice(_MUTATIONS)(rng, posted)
        if mutant != posted and meaning(mutant) != meant:
            yield mutant


def meaning(posted: Posted) -> object:
    """What a body with its signature says, types and all; None when it cannot be read."""
    try:
        body = orjson.loads(posted.body)
        if "obj" in body:
            of = TRANSACTION_VALUES if "amount_cents" in body["obj"] else TOKEN_VALUES
            return [posted.hmacs, *(repr(_at(body["obj"], name)) for name in of)]
        return [repr(body["subscription_data"]["id"]), repr(body["trigger_type"]), repr(body["hmac"])]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _at(value: Any, name: str) -> Any:
    for part in name.split("."):
        value = value.get(part)
    return value


def _bytes(rng: random.Random, posted: Posted) -> Posted:
    """Some bytes changed, removed, added or repeated."""
    raw = bytearray(posted.body)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(raw))
        match rng.randrange(5):
            case 0:
                raw[place] ^= 1 << rng.randrange(8)
            case 1:
                del raw[place : place + rng.randint(1, 9)]
            case 2:
                raw[place:place] = rng.randbytes(rng.randint(1, 9))
            case 3:
                raw[place:place] = raw[place : place + rng.randint(1, 30)]
            case _:
                raw[place] = rng.choice(b'0123456789"{}[],:.-eE\\u')
        if not raw:
            break
    return Posted(bytes(raw), posted.hmacs)


def _cut(rng: random.Random, posted: Posted) -> Posted:
    return Posted(posted.body[: rng.randrange(len(posted.body))], posted.hmacs)


def _noise(rng: random.Random, posted: Posted) -> Posted:
    return Posted(rng.randbytes(rng.randint(0, 2000)), posted.hmacs)


def _value(rng: random.Random, posted: Posted) -> Posted:
    """A value replaced by another, of whatever type, or gone."""
    body = orjson.loads(posted.body)
    inner = body
    while True:
        name = rng.choice(list(inner))
        if isinstance(inner[name], dict) and inner[name] and rng.random() < 0.8:
            inner = inner[name]
            continue
        if rng.random() < 0.15:
            del inner[name]
        else:
            inner[name] = rng.choice((*VALUES, inner[rng.choice(list(inner))]))
        return Posted(orjson.dumps(body), posted.hmacs)


def _deep(rng: random.Random, posted: Posted) -> Posted:
    """A value far inside brackets."""
    depth = rng.choice((10, 500, 1200, 5000))
    nest = b"[" * depth + b"]" * depth
    return Posted(posted.body.replace(b'"EGP"', nest).replace(b'"Visa"', nest), posted.hmacs)


def _digest(rng: random.Random, posted: Posted) -> Posted:
    """Another signature: one character, cut, longer, in capitals, none, or more than one."""
    if not posted.hmacs:
        return _value(rng, posted)
    (right,) = posted.hmacs
    place = rng.randrange(len(right))
    wrong = f"{right[:place]}{rng.choice('0123456789abcdefgé%&')}{right[place + 1 :]}"
    longer = f"{right}{right[:place]}0"
    hmacs = rng.choice(
        [(wrong,), (right[:place],), (longer,), (right.upper(),), (), ("",), (right, wrong), (right, right)]
    )
    return Posted(posted.body, hmacs)


_MUTATIONS: Final[tuple[Callable[[random.Random, Posted], Posted], ...]] = (
    _bytes, _bytes, _bytes, _cut, _noise, _value, _value, _value, _deep, _digest, _digest,
)  # fmt: skip
