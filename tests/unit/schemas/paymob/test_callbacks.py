"""From bytes to a callback: nothing that Paymob did not sign in this very shape comes through."""

import random
from typing import Any

import orjson
import pytest

from deploy.local.paymob.merchant import HMAC_SECRET
from schemas.paymob.callbacks import Callback, RefusedCallbackError, verified_callback
from schemas.paymob.signature import TRANSACTION_VALUES, sign, subscription_text, token_text
from tests.support.paymob import digest, transaction
from tests.unit.schemas.paymob.test_signature import TOKEN

TEXTS = ("created_at", "currency", "source_data.pan", "source_data.sub_type", "source_data.type")


def taken(body: Any, hmac: str | None) -> Callback:
    return verified_callback(HMAC_SECRET, orjson.dumps(body), hmac)


def refused(body: Any, hmac: str | None) -> str:
    with pytest.raises(RefusedCallbackError) as caught:
        taken(body, hmac)
    return caught.value.reason


def of(obj: dict[str, Any]) -> dict[str, Any]:
    return {"type": "TRANSACTION", "obj": obj}


def other(value: object) -> object:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value.replace("2026", "2027") if value.startswith("2026") else f"{value[:-1]}~"
    raise AssertionError(value)


def changed(name: str) -> dict[str, Any]:
    obj = transaction()
    parent, _, child = name.rpartition(".")
    inner = obj[parent] if parent else obj
    inner[child or name] = other(inner[child or name])
    return obj


def test_what_paymob_signed_is_taken_whole() -> None:
    obj = transaction()
    callback = taken(of(obj), digest(obj))
    assert callback.kind == "TRANSACTION"
    assert callback.body == of(obj)


@pytest.mark.parametrize("name", TRANSACTION_VALUES)
def test_a_change_of_any_signed_value_is_refused(name: str) -> None:
    assert refused(of(changed(name)), digest(transaction())) == "signature"


@pytest.mark.parametrize("name", [name for name in TRANSACTION_VALUES if name not in TEXTS])
def test_a_signed_value_of_another_type_is_refused_although_it_is_rendered_alike(name: str) -> None:
    obj = transaction()
    parent, _, child = name.rpartition(".")
    inner = obj[parent] if parent else obj
    value = inner[child or name]
    lookalike = str(value).lower() if isinstance(value, bool) else str(value)
    inner[child or name] = lookalike
    assert digest(obj) == digest(transaction())
    assert refused(of(obj), digest(obj)) == "malformed"


def shifts() -> dict[str, dict[str, Any]]:
    """The same characters, cut elsewhere: the digest is the same."""
    return {
        "amount gains the year's digits": {"amount_cents": 1_000_020, "created_at": "26-11-20T12:00:30.123456"},
        "amount gains the whole year": {"amount_cents": 100_002_026, "created_at": "-11-20T12:00:30.123456"},
        "the year gains the amount's digit": {"amount_cents": 1_000, "created_at": "02026-11-20T12:00:30.123456"},
        "the time gains the currency": {"created_at": "2026-11-20T12:00:30.123456E", "currency": "GP"},
        "the currency gains the time's digit": {"created_at": "2026-11-20T12:00:30.12345", "currency": "6EGP"},
    }


@pytest.mark.parametrize("shift", shifts())
def test_a_boundary_that_moved_is_refused_although_the_digest_agrees(shift: str) -> None:
    moved = transaction(**shifts()[shift])
    assert digest(moved) == digest(transaction())
    assert refused(of(moved), digest(moved)) == "malformed"


def test_digits_that_moved_between_two_numbers_make_another_event_with_the_same_key() -> None:
    """Nothing in the characters tells them apart, so the key does not either: one of them is heard, once."""
    obj = transaction()
    moved = transaction(id=int(f"{obj['id']}{obj['integration_id']}"[:-1]), integration_id=1)
    assert digest(moved) == digest(obj)
    assert taken(of(moved), digest(obj)).key == taken(of(obj), digest(obj)).key


def test_unsigned_values_change_neither_the_signature_nor_the_key() -> None:
    obj = transaction()
    order = {**obj["order"], "merchant_order_id": "somebody else's"}
    replayed = transaction(
        order=order, is_refund=True, is_live=False, refunded_amount_cents=10_000, parent_transaction=7
    )
    assert taken(of(replayed), digest(obj)).key == taken(of(obj), digest(obj)).key


def test_another_transaction_has_another_key() -> None:
    first, second = transaction(), transaction(pending=True, success=False)
    assert taken(of(first), digest(first)).key != taken(of(second), digest(second)).key


def test_a_saved_card_is_taken_by_its_own_signature() -> None:
    body = {"type": "TOKEN", "obj": TOKEN}
    signature = sign(HMAC_SECRET, token_text(TOKEN))
    assert taken(body, signature).kind == "TOKEN"
    for name, value in TOKEN.items():
        assert refused({"type": "TOKEN", "obj": {**TOKEN, name: other(value)}}, signature) == "signature"
    assert refused({**body, "type": "TRANSACTION"}, signature) in ("signature", "malformed")


def test_a_subscription_is_taken_by_the_signature_in_its_body() -> None:
    body = {
        "subscription_data": {"id": 1264, "state": "active"},
        "trigger_type": "Subscription Created",
        "paymob_id": 7,
    }
    signature = sign(HMAC_SECRET, subscription_text("Subscription Created", 1264))
    assert taken({**body, "hmac": signature}, None).kind == "SUBSCRIPTION"
    assert refused({**body, "hmac": signature, "subscription_data": {"id": 1265}}, None) == "signature"
    assert refused({**body, "hmac": signature, "trigger_type": "Subscription Canceled"}, None) == "signature"
    assert refused({**body, "hmac": None}, signature) == "malformed"
    assert refused(body, signature) == "malformed"


def test_a_type_we_do_not_know_needs_a_signature_all_the_same() -> None:
    obj = transaction()
    assert taken({"type": "DELIVERY", "obj": obj}, digest(obj)).kind is None
    assert refused({"type": "DELIVERY", "obj": changed("amount_cents")}, digest(obj)) == "signature"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"null", b'"text"', b"{", b"{}", b"\xff\xfe", b"1" * 50_000, b"[" * 50_000,
        b'{"type":"TRANSACTION"}', b'{"type":7,"obj":{}}', b'{"type":"TRANSACTION","obj":[]}',
        b'{"type":"TRANSACTION","obj":{}}', b'{"obj":{},"subscription_data":{}}',
    ],
)  # fmt: skip
def test_what_is_no_callback_is_refused(raw: bytes) -> None:
    for hmac in (None, "", "0" * 128):
        with pytest.raises(RefusedCallbackError):
            verified_callback(HMAC_SECRET, raw, hmac)


def test_text_that_postgres_cannot_keep_is_refused() -> None:
    obj = transaction(data={"message": "a\0b"})
    assert refused(of(obj), digest(obj)) == "malformed"


@pytest.mark.parametrize("name", ["id", "amount_cents", "order"])
def test_a_number_too_large_for_its_column_is_refused(name: str) -> None:
    huge = 2**63
    obj = transaction(**{name: {"id": huge} if name == "order" else huge})
    assert refused(of(obj), digest(obj)) == "malformed"


def test_a_digest_that_is_right_but_for_one_character_is_refused() -> None:
    obj = transaction()
    right = digest(obj)
    for place in random.Random(7).sample(range(128), 20):
        wrong = f"{right[:place]}{'0' if right[place] != '0' else '1'}{right[place + 1 :]}"
        assert refused(of(obj), wrong) == "signature"
