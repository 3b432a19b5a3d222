"""The forms of an answer: a list, one object, nothing but a status, a count."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from deploy.local.supabase.rest.errors import not_single

SINGLE = "application/vnd.pgrst.object+json"


@dataclass(frozen=True)
class Preferences:
    """The parts of the `Prefer` headers that are honoured."""

    returns_rows: bool
    exact_count: bool
    resolution: str | None

    @classmethod
    def of(cls, request: Request) -> "Preferences":
        given = {part.strip() for header in request.headers.getlist("prefer") for part in header.split(",")}
        resolutions = [part.removeprefix("resolution=") for part in given if part.startswith("resolution=")]
        return cls("return=representation" in given, "count=exact" in given, resolutions[0] if resolutions else None)


def wants_single(request: Request) -> bool:
    return SINGLE in request.headers.get("accept", "")


def rows_answer(request: Request, rows: list[str], status: int, headers: dict[str, str]) -> Response:
    """Rows are JSON texts made by Postgres. Raises `RestError` when one object is asked for and it is not one."""
    headers = {"content-profile": "public", **headers}
    if wants_single(request):
        if len(rows) != 1:
            raise not_single(len(rows))
        return Response(rows[0], status, headers, media_type=f"{SINGLE}; charset=utf-8")
    return Response(f"[{','.join(rows)}]", status, headers, media_type="application/json; charset=utf-8")


def content_range(first: int, rows: int, total: int | None) -> str:
    """Such as `0-9/25`, `*/0`, `0-9/*`."""
    span = f"{first}-{first + rows - 1}" if rows else "*"
    return f"{span}/{'*' if total is None else total}"
