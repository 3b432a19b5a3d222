"""`Prefer: wait=N` (RFC 7240): how long a client would like to wait for the result itself."""

from collections.abc import Iterable

MAX_WAIT_SECONDS = 60


def wait_seconds(headers: Iterable[str]) -> int | None:
    """The seconds asked for, at most 60; None when waiting is not asked for, or not in a way that can be understood.

    Where the preference is given more than once the first counts; other preferences are ignored.
    """
    for header in headers:
        for preference in header.split(","):
            name, _, value = preference.partition(";")[0].partition("=")
            if name.strip().lower() == "wait":
                return _seconds(value.strip().strip('"'))
    return None


def _seconds(value: str) -> int | None:
    if not value.isascii() or not value.isdigit():
        return None
    return min(int(value[:6]), MAX_WAIT_SECONDS)
