"""What a client asks for when it joins a channel."""

import zlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

MAX_BINDINGS = 100
DEFAULT_WAIT_MS, MAX_WAIT_MS = 15_000, 20_000


class JoinError(Exception):
    """A join that is refused. `code` is the word that clients match on, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def reason(self) -> str:
        return f"{self.code}: {self}"


class Binding(BaseModel):
    """One postgres_changes listener. `*` as schema or table means any."""

    event: Literal["*", "INSERT", "UPDATE", "DELETE"] = "*"
    schema_: str = Field(default="public", alias="schema")
    table: str | None = None
    filter: str | None = None
    select: list[str] | None = None


def _empty_if_null(value: Any) -> Any:
    return {} if value is None else value


class BroadcastConfig(BaseModel):
    ack: bool = False
    self_: bool = Field(default=False, alias="self")
    replication_ready: bool = False


class PresenceConfig(BaseModel):
    enabled: bool = False


class WaitConfig(BaseModel):
    """With `wait` the join is answered only once changes will be delivered. Milliseconds."""

    wait: bool = False
    timeout: int = DEFAULT_WAIT_MS


class Config(BaseModel):
    broadcast: Annotated[BroadcastConfig, BeforeValidator(_empty_if_null)] = BroadcastConfig()
    presence: Annotated[PresenceConfig, BeforeValidator(_empty_if_null)] = PresenceConfig()
    postgres_changes: list[dict[str, Any]] = []
    postgres_changes_options: Annotated[WaitConfig, BeforeValidator(_empty_if_null)] = WaitConfig()
    private: bool = False


class Join(BaseModel):
    """A parsed `phx_join` payload. `requested` keeps the bindings as they were sent, for the reply."""

    config: Config = Config()
    access_token: str | None = None

    @property
    def requested(self) -> list[dict[str, Any]]:
        return self.config.postgres_changes

    def bindings(self) -> list[Binding]:
        """Raises `JoinError`."""
        try:
            return [Binding.model_validate(params) for params in self.requested]
        except ValidationError as error:
            raise JoinError("InvalidPostgresChanges", _first_problem(error)) from error

    def reply(self) -> dict[str, Any]:
        """Each binding as it was sent, with its id: the client refuses anything else."""
        return {"postgres_changes": [{**params, "id": binding_id(params)} for params in self.requested]}


def parse(payload: Any) -> Join:
    """Raises `JoinError`."""
    if not isinstance(payload, Mapping):
        raise JoinError("InvalidJoinPayload", "the payload is no object")
    try:
        join = Join.model_validate(payload)
    except ValidationError as error:
        raise JoinError("InvalidJoinPayload", _first_problem(error)) from error
    if len(join.requested) > MAX_BINDINGS:
        raise JoinError("InvalidPostgresChanges", f"more than {MAX_BINDINGS} bindings")
    return join


def binding_id(params: Mapping[str, Any]) -> int:
    """The same for the same parameters, never 0: supabase-py takes 0 for no id."""
    return zlib.crc32(orjson.dumps(params, option=orjson.OPT_SORT_KEYS)) & 0x7FFFFFF or 1


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
