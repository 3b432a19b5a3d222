"""The HTTP bodies: what a client sends and what a generation looks like to its owner. camelCase on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

StoragePath = Annotated[
    str,
    Field(
        description="`<user id>/…` in bucket `user_uploads`, with or without the bucket in front.",
        json_schema_extra={"minLength": 1, "maxLength": 1024},
    ),
]


class Row(Protocol):
    """A row of the database, columns by name."""

    def __getitem__(self, column: str, /) -> Any: ...


class RequestBody(BaseModel):
    """What all request bodies have in common: no coercion, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)


class ProcessImageRequest(RequestBody):
    """Edit a photo. The parameters are the tool's own and are checked against its model afterwards."""

    tool_id: str
    tool_parameters: dict[str, Any] = Field(default_factory=dict)
    original_image_storage_path: StoragePath


class AnalyzeFaceRequest(RequestBody):
    """Analyse the face in a photo."""

    original_image_storage_path: StoragePath


class AnswerBody(BaseModel):
    """What all answers have in common."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class GenerationError(AnswerBody):
    """Why a generation failed: a stable code, and a sentence that may be shown to the user."""

    code: str
    message: str | None


class GenerationBody(AnswerBody):
    """A generation as its owner sees it; times are UTC."""

    id: UUID
    tool_id: str
    tool_parameters: dict[str, Any] = Field(description="Canonical: with every default filled in.")
    status: Literal["queued", "processing", "succeeded", "failed", "canceled"]
    cached: bool = Field(description="True when an earlier result answers this request; nothing is charged.")
    image_url: str | None = Field(
        description="The picture, once a picture tool has succeeded. Where results are private it works for a while; "
        "then ask for the generation again."
    )
    result: dict[str, Any] | None = Field(description="The analysis, once it has succeeded.")
    error: GenerationError | None = Field(description="Set when the status is `failed`.")
    credit_cost: int
    queue_position: int | None = Field(description="Approximate, while queued.")
    eta_seconds: int | None = Field(description="Approximate, while queued.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @staticmethod
    def from_row(row: Row, image_url: str | None, *, cached: bool = False) -> "GenerationBody":
        """The body of a row of the database's generation columns; `image_url` is where its picture can be fetched."""
        error_code = row["error_code"]
        return GenerationBody(
            id=row["id"],
            tool_id=row["tool_id"],
            tool_parameters=row["tool_parameters"],
            status=row["status"],
            cached=cached,
            image_url=image_url,
            result=row["result"],
            error=GenerationError(code=error_code, message=row["error_message"]) if error_code else None,
            credit_cost=row["credit_cost"],
            queue_position=row["queue_position"],
            eta_seconds=row["eta_seconds"],
            created_at=row["created_at"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
        )

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more, unless an operator retries it."""
        return self.status in ("succeeded", "failed", "canceled")


class GenerationPage(AnswerBody):
    """Own generations, newest first; `next` is the `before` of the page that follows, if this one was full."""

    generations: list[GenerationBody]
    next: UUID | None


class Health(AnswerBody):
    """The process answers."""

    status: Literal["ok"]


class Readiness(AnswerBody):
    """The process can take requests. Redis may be away: work then starts a little later."""

    status: Literal["ok"]
    postgres: Literal["ok"]
    redis: Literal["ok", "away"]
