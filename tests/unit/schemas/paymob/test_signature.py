"""What Paymob signs, and how: the digests here were published by others, not computed by us."""

import pytest

from schemas.paymob.signature import (
    TRANSACTION_VALUES,
    UnsignableError,
    redirect_text,
    sign,
    subscription_text,
    token_text,
    transaction_text,
    verifies,
)
from tests.support.paymob import digest, transaction

TEXTS = {
    "transaction": (
        "sim_hmac_secret",
        (
            "100002026-08-14T12:00:00.000000EGPfalsefalse9000011001falsefalsefalsefalsetruefalse700001500001false"
            "0010Visacardtrue"
        ),
        (
            "033e0bca25918ecf037674c6f9e3ed1c11ba969f16b647f39cf0c404bdcf6db7"
            "67e0fbe9dc8a523cbc8d19e459c3843222d167201f4705657002eb3671f2619b"
        ),
    ),
    "token": (
        "sim_hmac_secret",
        (
            "Visa2026-08-14T12:00:00.000000test@example.com800001xxxx-xxxx-xxxx-0010500001700001"
            "tok_sim_01J5A7V8M8QK6R2D1N4B9C3E5F"
        ),
        (
            "9492bf9da9bf2d3f31ffca5a1d6cbb08f01c8149a010edac20a96bd3d2b56e93"
            "3a63ad3b53d4bafdfb92d4ba6a5b4a8713461c5e7b5b3a628351196da6476c32"
        ),
    ),
    "null_owner": (
        "dummy_hmac",
        (
            "1111112025-04-01T17:29:16.967925EGPfalsefalsedummy_id1234truefalsefalsefalsetruefalse12312false"
            "1111Visacardtrue"
        ),
        (
            "51860052ecc6d9f08ac30a549359019e2eee837913b5673094c242c817ddf57c"
            "055ba5e3e9c0894b1171e62c2d37cd55ff98a46a0e28e1ccf2e4a907e6683aa5"
        ),
    ),
}
VISA = {"pan": "0010", "sub_type": "Visa", "type": "card"}
FIRST = {
    "amount_cents": 10000, "created_at": "2026-08-14T12:00:00.000000", "currency": "EGP", "error_occured": False,
    "has_parent_transaction": False, "id": 900001, "integration_id": 1001, "is_3d_secure": False, "is_auth": False,
    "is_capture": False, "is_refunded": False, "is_standalone_payment": True, "is_voided": False,
    "order": {"id": 700001}, "owner": 500001, "pending": False, "source_data": VISA, "success": True,
}  # fmt: skip
TOKEN = {
    "card_subtype": "Visa", "created_at": "2026-08-14T12:00:00.000000", "email": "test@example.com", "id": 800001,
    "masked_pan": "xxxx-xxxx-xxxx-0010", "merchant_id": 500001, "order_id": "700001",
    "token": "tok_sim_01J5A7V8M8QK6R2D1N4B9C3E5F",
}  # fmt: skip
DUMMY = {
    "amount_cents": 111111, "created_at": "2025-04-01T17:29:16.967925", "currency": "EGP", "error_occured": False,
    "has_parent_transaction": False, "id": "dummy_id", "integration_id": 1234, "is_3d_secure": True, "is_auth": False,
    "is_capture": False, "is_refunded": False, "is_standalone_payment": True, "is_voided": False,
    "order": {"id": 12312}, "owner": None, "pending": False,
    "source_data": {"pan": "1111", "sub_type": "Visa", "type": "card"}, "success": True,
}  # fmt: skip


@pytest.mark.parametrize("vector", TEXTS)
def test_a_golden_vector_verifies(vector: str) -> None:
    secret, text, published = TEXTS[vector]
    assert sign(secret, text) == published
    assert verifies(secret, text, published)


def test_the_golden_vectors_are_rendered_from_their_callbacks() -> None:
    assert transaction_text(FIRST) == TEXTS["transaction"][1]
    assert token_text(TOKEN) == TEXTS["token"][1]
    assert transaction_text(DUMMY) == TEXTS["null_owner"][1]


def test_null_and_absent_render_as_nothing() -> None:
    without = {name: value for name, value in DUMMY.items() if name != "owner"}
    assert transaction_text(without) == transaction_text(DUMMY)


@pytest.mark.parametrize("name", TRANSACTION_VALUES)
@pytest.mark.parametrize("value", [1.0, [], {}])
def test_a_value_that_paymob_never_signs_is_refused(name: str, value: object) -> None:
    parent, _, child = name.rpartition(".")
    changed = transaction(**{parent: {child: value}} if parent else {name: value})
    with pytest.raises(UnsignableError):
        transaction_text(changed)


@pytest.mark.parametrize("parent", ["order", "source_data"])
def test_a_part_that_is_no_object_is_refused(parent: str) -> None:
    with pytest.raises(UnsignableError):
        transaction_text(transaction(**{parent: "12"}))


def test_a_lone_surrogate_is_refused_and_not_crashed_on() -> None:
    with pytest.raises(UnsignableError):
        sign("secret", "\ud800")


def test_the_redirect_carries_the_signature_of_the_callback() -> None:
    obj = transaction()
    flat = {name: str(obj[name]).lower() if isinstance(obj[name], bool) else str(obj[name])
            for name in TRANSACTION_VALUES if "." not in name}  # fmt: skip
    flat |= {f"source_data.{name}": value for name, value in obj["source_data"].items()}
    for spelling in ("order", "order_id"):
        assert verifies("local_hmac_secret", redirect_text({**flat, spelling: "217503754"}), digest(obj))


def test_a_subscription_signs_what_happened_to_which() -> None:
    assert subscription_text("Subscription Created", 1264) == "Subscription Createdfor1264"


@pytest.mark.parametrize("given", ["", "0" * 128, "é" * 128, "\ud800", "A" * 10_000])
def test_any_other_digest_is_wrong(given: str) -> None:
    secret, text, published = TEXTS["transaction"]
    assert not verifies(secret, text, given)
    assert not verifies(secret, text, published.upper())
    assert not verifies(secret, text, published[:-1])
    assert not verifies(f"{secret} ", text, published)
