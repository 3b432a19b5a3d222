"""`Prefer: wait=N` is read as RFC 7240 says; what cannot be read is as if it had not been sent."""

import pytest

from producers.intake.prefer import wait_seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        (["wait=10"], 10),
        (["wait=0"], 0),
        (["wait=60"], 60),
        (["wait=61"], 60),
        (["wait=" + "9" * 5000], 60),
        (['wait="10"'], 10),
        (["WAIT = 10"], 10),
        (["respond-async, wait=10"], 10),
        (["respond-async", "wait=10; foo=1"], 10),
        (["wait=5, wait=50"], 5),
        (["wait=5", "wait=50"], 5),
        (["respond-async"], None),
        (["wait"], None),
        (["wait="], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=ten"], None),
        (["wait=\u0663"], None),
        (["waiting=10"], None),
        ([", ;;=,"], None),
    ],
)
def test_the_first_wait_counts_and_60_seconds_are_the_most(headers: list[str], seconds: int | None) -> None:
    assert wait_seconds(headers) == seconds
