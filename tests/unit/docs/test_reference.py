"""The reference pages name every code there is, and no other."""

import re
from pathlib import Path

from deploy.reference import PAGE, page
from schemas.problems import PROBLEMS
from worker.failures import FAILURES, SHUTDOWN

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
SET_BY_SQL = {"attempts_exhausted", "expired"}


def rows(name: str) -> dict[str, str]:
    """The first two columns of a page's table: code and what stands beside it."""
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", (REFERENCE / name).read_text(), re.MULTILINE))


def test_every_problem_is_documented_with_its_status() -> None:
    assert rows("problems.md") == {code: str(problem.status) for code, problem in PROBLEMS.items()}


def test_every_failure_is_documented_with_its_retries() -> None:
    retries = {
        failure.code: {0: "no", None: "yes"}.get(failure.retries, f"{failure.retries}×")
        for failure in FAILURES.values()
        if failure is not SHUTDOWN
    }
    assert rows("failures.md") == retries | dict.fromkeys(SET_BY_SQL, "no")


def test_the_configuration_page_is_what_the_settings_say() -> None:
    assert PAGE.read_text() == page()
