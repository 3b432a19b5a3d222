"""Problems keep their codes and statuses, and their bodies say no more than they should."""

import json

import pytest

from schemas.problems import PROBLEMS, ProblemBody, ProblemError

CONTRACT = {
    400: {"malformed_body"},
    401: {"invalid_signature", "unauthenticated"},
    402: {"insufficient_credits", "plan_required"},
    403: {"account_deleted", "forbidden_path"},
    404: {"not_for_sale", "not_found", "source_not_found", "tool_unavailable"},
    405: {"method_not_allowed"},
    408: {"body_timeout"},
    409: {"idempotency_conflict", "not_cancelable", "not_finished"},
    413: {"body_too_large", "source_too_large"},
    415: {"source_type_unsupported", "unsupported_media_type"},
    422: {"invalid_parameters"},
    429: {"daily_limit", "rate_limited", "too_many_in_flight"},
    500: {"internal"},
    503: {"payments_unavailable", "unavailable"},
}


def test_codes_and_statuses_are_what_clients_were_told() -> None:
    by_status: dict[int, set[str]] = {}
    for code, problem in PROBLEMS.items():
        by_status.setdefault(problem.status, set()).add(code)
    assert by_status == CONTRACT


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_body_has_the_members_of_rfc_9457_and_the_code(code: str) -> None:
    body = json.loads(ProblemError(code).body())
    assert body == {
        "type": f"urn:sparky:problem:{code}",
        "title": PROBLEMS[code].title,
        "status": PROBLEMS[code].status,
        "code": code,
    }
    ProblemBody.model_validate(body)


def test_a_body_names_the_first_field_and_all_faults() -> None:
    errors = [("age", "must be less than or equal to 90"), ("x", "is not a known field")]
    body = json.loads(ProblemError("invalid_parameters", errors=errors).body("request-1"))
    assert (body["field"], body["requestId"]) == ("age", "request-1")
    assert body["errors"] == [{"field": field, "reason": reason} for field, reason in errors]


def test_waiting_for_less_than_a_second_is_waiting_for_one() -> None:
    assert ProblemError("daily_limit", retry_after=0).headers == {"Retry-After": "1"}
    assert ProblemError("daily_limit").headers == {}
