"""Every failure code and what follows from it, written down once more."""

import pytest

from schemas.settings import Settings
from worker.failures import FAILURES, RATE_LIMITED, AttemptError, Failure, may_retry, retry_delay

AS_TRIES_ALLOW = None
# code: (more tries at most, counts as a try, the operator must act)
EXPECTED = {
    "source_missing": (0, True, False),
    "source_changed": (0, True, False),
    "source_invalid": (0, True, False),
    "source_too_large": (0, True, False),
    "invalid_parameters": (0, True, True),
    "storage_unavailable": (AS_TRIES_ALLOW, True, False),
    "storage_refused": (0, True, True),
    "rate_limited": (AS_TRIES_ALLOW, False, False),
    "quota_exhausted": (0, True, True),
    "gemini_paused": (AS_TRIES_ALLOW, False, False),
    "spending_capped": (AS_TRIES_ALLOW, False, True),
    "gemini_unavailable": (AS_TRIES_ALLOW, True, False),
    "gemini_interrupted": (1, True, False),
    "gemini_rejected": (0, True, False),
    "gemini_misconfigured": (0, True, True),
    "blocked": (0, True, False),
    "no_picture": (2, True, False),
    "result_invalid": (2, True, False),
    "attempt_timeout": (1, True, False),
    "internal": (AS_TRIES_ALLOW, True, True),
    "shutdown": (AS_TRIES_ALLOW, False, False),
}


def settings(**changes: object) -> Settings:
    required = {"database_url": "x", "redis_url": "x", "supabase_url": "http://x", "supabase_secret_key": "x"}
    return Settings.model_validate({**required, **changes})


def test_the_table_is_complete() -> None:
    assert {code: (f.retries, f.counts_try, f.operator) for code, f in FAILURES.items()} == EXPECTED


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_each_code_is_tried_as_often_as_its_row_says(failure: Failure) -> None:
    most = EXPECTED[failure.code][0]
    assert may_retry(failure, seen=0, tries=1, max_tries=9) is (most != 0)
    if most:
        assert may_retry(failure, seen=most - 1, tries=1, max_tries=9)
    if most is not None:
        assert not may_retry(failure, seen=most, tries=1, max_tries=9)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_only_what_does_not_count_outlives_the_last_try(failure: Failure) -> None:
    assert may_retry(failure, seen=0, tries=3, max_tries=3) is (not failure.counts_try)


@pytest.mark.parametrize("failure", [f for f in FAILURES.values() if f.operator], ids=lambda f: f.code)
def test_the_person_is_not_blamed_for_the_operator(failure: Failure) -> None:
    assert "our side" in failure.message or "busy" in failure.message


def test_waits_double_with_jitter_up_to_the_longest() -> None:
    policy = settings(worker_backoff_seconds=2, worker_backoff_max_seconds=20)
    error = AttemptError(FAILURES["gemini_unavailable"])
    for seen, step in enumerate([2, 4, 8, 16, 20, 20]):
        assert all(step / 2 <= retry_delay(error, seen, policy) <= step for _ in range(50))
    assert len({retry_delay(error, 0, policy) for _ in range(10)}) > 1
    assert retry_delay(error, 10_000, policy) <= 20


def test_a_wait_that_gemini_asks_for_is_honoured() -> None:
    error = AttemptError(RATE_LIMITED, delay=34.07)
    assert all(34.07 <= retry_delay(error, 5, settings()) <= 38 for _ in range(50))


def test_no_wait_is_longer_than_a_request_may_be_queued() -> None:
    assert retry_delay(AttemptError(RATE_LIMITED, delay=1e6), 0, settings(queued_max_age_seconds=60)) == 60
