"""What can go wrong for a client: every problem's stable code with its status and title (RFC 9457).

Clients switch on `code`; titles are for people and may change. A code is never given another meaning.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class ProblemType:
    """One kind of problem: its code names it for good."""

    code: str
    status: int
    title: str


PROBLEMS = {
    problem.code: problem
    for problem in (
        ProblemType("malformed_body", 400, "The body is not a JSON object."),
        ProblemType("unauthenticated", 401, "A valid access token is required."),
        ProblemType("invalid_signature", 401, "The callback is not one that Paymob signed."),
        ProblemType("insufficient_credits", 402, "There are not enough credits left."),
        ProblemType("plan_required", 402, "This needs a paid plan."),
        ProblemType("account_deleted", 403, "The account has been deleted."),
        ProblemType("forbidden_path", 403, "The photo is not in the user's own folder."),
        ProblemType("not_found", 404, "There is nothing here."),
        ProblemType("not_for_sale", 404, "There is no such plan or credit pack to buy."),
        ProblemType("source_not_found", 404, "The photo does not exist."),
        ProblemType("tool_unavailable", 404, "There is no such tool, or it is switched off."),
        ProblemType("method_not_allowed", 405, "The method is not allowed here."),
        ProblemType("body_timeout", 408, "The body did not arrive in time."),
        ProblemType("idempotency_conflict", 409, "This Idempotency-Key belongs to another order."),
        ProblemType("not_cancelable", 409, "Only a queued generation can be cancelled."),
        ProblemType("not_finished", 409, "Only a finished generation can be deleted."),
        ProblemType("body_too_large", 413, "The body is too large."),
        ProblemType("source_too_large", 413, "The photo is too large."),
        ProblemType("source_type_unsupported", 415, "The photo is of a type that is not supported."),
        ProblemType("unsupported_media_type", 415, "The body must be application/json."),
        ProblemType("invalid_parameters", 422, "A field is missing, unknown or has a value that is not allowed."),
        ProblemType("daily_limit", 429, "The plan's credits for today are used up."),
        ProblemType("rate_limited", 429, "Too many requests."),
        ProblemType("too_many_in_flight", 429, "Too many generations are queued or running."),
        ProblemType("internal", 500, "Something went wrong on our side."),
        ProblemType("payments_unavailable", 503, "Nothing can be bought at the moment."),
        ProblemType("unavailable", 503, "The service is unavailable for a moment."),
    )
}


class FieldError(BaseModel):
    """One fault of one field."""

    field: str
    reason: str


class ProblemBody(BaseModel):
    """The body of every answer of 400 and above, sent as `application/problem+json`."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    type: str = Field(examples=["urn:sparky:problem:daily_limit"])
    title: str
    status: int = Field(ge=400, le=599)
    code: str = Field(json_schema_extra={"enum": list(PROBLEMS)}, description="Stable; what clients switch on.")
    detail: str | None = None
    field: str | None = Field(None, description="With `invalid_parameters`: the first field that is wrong.")
    errors: list[FieldError] | None = Field(None, description="With `invalid_parameters`: all that is wrong.")
    request_id: str | None = Field(None, description="The answer's `X-Request-Id`, to quote when asking for help.")


class ProblemError(Exception):
    """Raised where a request ends badly; the intake turns it into the answer.

    `retry_after` is in seconds. `errors` are pairs of field and reason, the most telling first.
    """

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        errors: Sequence[tuple[str, str]] = (),
        retry_after: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.type = PROBLEMS[code]
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, retry_after))

    def body(self, request_id: str | None = None) -> bytes:
        """The problem as JSON; members that say nothing are left out."""
        return (
            ProblemBody(
                type=f"urn:sparky:problem:{self.type.code}",
                title=self.type.title,
                status=self.type.status,
                code=self.type.code,
                detail=self.detail,
                field=self.errors[0][0] if self.errors else None,
                errors=[FieldError(field=field, reason=reason) for field, reason in self.errors] or None,
                request_id=request_id,
            )
            .model_dump_json(by_alias=True, exclude_none=True)
            .encode()
        )
