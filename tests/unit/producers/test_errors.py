"""A database that goes away is said to be away, in whichever way asyncpg notices."""

import asyncpg
import pytest

from producers.intake.errors import as_problem


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.AdminShutdownError(),
        asyncpg.CannotConnectNowError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_database_that_is_away_is_503_and_may_be_asked_again(error: Exception) -> None:
    problem = as_problem(error)
    assert (problem.type.status, problem.type.code) == (503, "unavailable")
    assert problem.headers["Retry-After"] == "2"
