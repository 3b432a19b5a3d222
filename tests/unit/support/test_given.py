"""Which Supabase `tests/contract` runs against, as the environment says it."""

import jwt
import pytest

from tests.support.given import NEEDED, GivenSupabase, given_supabase

WHOLE = {
    "TEST_DATABASE_URL": "postgresql://postgres:word@127.0.0.1:54322/postgres",
    "TEST_SUPABASE_URL": "http://127.0.0.1:54321/",
    "TEST_SUPABASE_SECRET_KEY": "sb_secret_x",
    "TEST_SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
}


def given(**more: str) -> GivenSupabase:
    found = given_supabase(WHOLE | more)
    assert found is not None
    return found


def test_nothing_named_means_the_embedded_stack() -> None:
    assert given_supabase({"PATH": "/bin", "TEST_SUPABASE_URL": ""}) is None


@pytest.mark.parametrize("missing", NEEDED)
def test_a_part_of_one_is_refused_and_the_rest_named(missing: str) -> None:
    with pytest.raises(ValueError, match=f"set {missing} too"):
        given_supabase({name: value for name, value in WHOLE.items() if name != missing})


def test_a_secret_alone_is_not_taken_for_nothing() -> None:
    with pytest.raises(ValueError, match="TEST_DATABASE_URL, TEST_SUPABASE_URL"):
        given_supabase({"TEST_SUPABASE_JWT_SECRET": "x"})


def test_a_stack_uses_it_in_place_of_the_stand_in() -> None:
    assert given().environment == {
        "SUPABASE_URL": "http://127.0.0.1:54321",
        "SUPABASE_SECRET_KEY": "sb_secret_x",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
        "DATABASE_URL": WHOLE["TEST_DATABASE_URL"],
    }
    assert given(TEST_SUPABASE_JWT_SECRET="s" * 32).environment["SUPABASE_JWT_SECRET"] == "s" * 32


def test_tokens_are_signed_with_its_shared_secret() -> None:
    token = given(TEST_SUPABASE_JWT_SECRET="s" * 32).keys.sign({"role": "authenticated"})
    assert jwt.decode(token, "s" * 32, algorithms=["HS256"])["role"] == "authenticated"


def test_a_token_that_cannot_be_signed_skips_its_test_by_name() -> None:
    with pytest.raises(pytest.skip.Exception, match="TEST_SUPABASE_JWT_SECRET"):
        given().keys.sign({})


def test_its_secrets_are_not_printed() -> None:
    whole = given(TEST_SUPABASE_JWT_SECRET="hidden-secret")
    assert "hidden-secret" not in f"{whole!r} {whole.keys!r}"
    assert "sb_secret_x" not in f"{whole!r} {whole.keys!r}"
    assert "word" not in repr(whole)
