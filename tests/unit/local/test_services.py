"""Which services run, for what was asked and what the environment already provides."""

import pytest

from deploy.local.services import ALL, NotConfigured, with_needs

REAL_SUPABASE = {
    "SUPABASE_URL": "https://x.supabase.co",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "DATABASE_URL": "postgresql://x",
}


def test_nothing_named_means_everything() -> None:
    assert with_needs((), {}) == ALL


@pytest.mark.parametrize(
    ("asked", "runs"),
    [
        ("postgres", {"postgres"}),
        ("supabase", {"postgres", "supabase"}),
        ("intake", {"postgres", "valkey", "supabase", "paymob", "intake"}),
        ("worker", {"postgres", "valkey", "supabase", "gemini", "worker"}),
    ],
)
def test_a_service_brings_what_it_needs(asked: str, runs: set[str]) -> None:
    assert with_needs([asked], {}) == runs


def test_an_unknown_service_is_refused_by_name() -> None:
    with pytest.raises(NotConfigured, match="no such service: nginx"):
        with_needs(["nginx"], {})


def test_a_real_supabase_takes_the_place_of_postgres_and_the_stand_in() -> None:
    assert with_needs((), REAL_SUPABASE) == {"valkey", "gemini", "paymob", "intake", "worker"}


@pytest.mark.parametrize("missing", ["SUPABASE_SECRET_KEY", "DATABASE_URL"])
def test_a_real_supabase_without_its_key_or_database_is_refused(missing: str) -> None:
    environment = {name: value for name, value in REAL_SUPABASE.items() if name != missing}

    with pytest.raises(NotConfigured, match=missing):
        with_needs((), environment)


def test_a_key_for_the_real_gemini_takes_the_place_of_the_stand_in() -> None:
    assert with_needs((), {"GEMINI_API_KEY": "x"}) == ALL - {"gemini"}


def test_a_key_for_the_real_paymob_takes_the_place_of_the_stand_in() -> None:
    assert with_needs((), {"PAYMOB_SECRET_KEY": "x"}) == ALL - {"paymob"}
