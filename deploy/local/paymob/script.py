"""Misbehaviour on demand: rules posted to `/local/script`, each applied to the next `times` things that match it.

A rule of a callback matches its type (`TRANSACTION`, `TOKEN`, `SUBSCRIPTION`), one of a payment its method (`card`,
`wallet`), one of a call its name: `intention`, `auth_token`, `inquire_transaction`, `inquire_order`, `refund`, `void`,
`capture`. `match` is a part of that; empty, everything of the kind matches.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Seconds = Annotated[float, Field(ge=0, le=3600)]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")

    times: Annotated[int, Field(ge=1)] | None = None
    match: str = ""


class Callbacks(_Rule):
    """Of callbacks: `lost` is never sent; `reordered` is sent after the next one that is.

    `corrupted` has a digest that is off by one character; `forged` an amount that was changed after it was signed;
    `test_mode` has `is_live: false`, which is not signed.
    """

    kind: Literal["lost", "reordered", "corrupted", "forged", "test_mode"]


class Duplicated(_Rule):
    """`copies` of a callback, all at once."""

    kind: Literal["duplicated"]
    copies: Annotated[int, Field(ge=2, le=1000)] = 5


class Delayed(_Rule):
    """A callback `seconds` late."""

    kind: Literal["delayed"]
    seconds: Seconds = 5


class Payments(_Rule):
    """Of payments: declined or pending, whatever the buyer chose."""

    kind: Literal["declined", "pending"]


class Slow(_Rule):
    """An API call answered `seconds` later."""

    kind: Literal["slow"]
    seconds: Seconds = 5


class Status(_Rule):
    """An API call that does nothing and answers `status`."""

    kind: Literal["status"]
    status: Annotated[int, Field(ge=400, le=599)] = 500


class AnswerLost(_Rule):
    """An API call that does its work and then answers 504."""

    kind: Literal["answer_lost"]


OfCallbacks = Callbacks | Duplicated | Delayed
OfCalls = Slow | Status | AnswerLost
Rule = Annotated[OfCallbacks | Payments | OfCalls, Field(discriminator="kind")]
R = TypeVar("R", bound=_Rule)
_RULES: TypeAdapter[list[Rule]] = TypeAdapter(list[Rule])


class Script:
    """The rules in force, oldest first."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def add(self, body: bytes) -> None:
        """Add one rule or a list of them. Raises pydantic.ValidationError, and then adds none."""
        text = body.strip()
        self._rules += _RULES.validate_json(text if text.startswith(b"[") else b"[" + text + b"]")

    def clear(self) -> None:
        self._rules.clear()

    def of_callback(self, kind: str) -> list[OfCallbacks]:
        """Use every rule that matches a callback."""
        return self._use([rule for rule in self._rules if isinstance(rule, OfCallbacks) and rule.match in kind])

    def of_payment(self, method: str) -> list[Payments]:
        """Use every rule that matches a payment."""
        return self._use([rule for rule in self._rules if isinstance(rule, Payments) and rule.match in method])

    def of_call(self, name: str) -> list[OfCalls]:
        """Use every rule that matches a call of the API."""
        return self._use([rule for rule in self._rules if isinstance(rule, OfCalls) and rule.match in name])

    def _use(self, found: list[R]) -> list[R]:
        for rule in found:
            if rule.times is not None:
                rule.times -= 1
        self._rules = [rule for rule in self._rules if rule.times != 0]
        return found
