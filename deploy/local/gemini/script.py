"""Misbehaviour on demand: rules posted to `/local/script`, each applied to the next requests that match it.

Every rule waits its `seconds` first. `delay` then lets the request go on; all other kinds answer, each in its own way.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Seconds = Annotated[float, Field(ge=0, le=3600)]


class _Rule(BaseModel):
    """What all rules have.

    `times` is how many requests it applies to; unset, all. `match` is a part of the model's name, of the prompt or of
    the photo's SHA-256 in hex; unset, every request matches.
    """

    model_config = ConfigDict(extra="forbid")

    seconds: Seconds = 0
    times: Annotated[int, Field(ge=1)] | None = None
    match: str = ""


class Delay(_Rule):
    kind: Literal["delay"]


class Canned(_Rule):
    """Answer at once, without decoding the request: a JPEG of about `picture_bytes`, or `text` where that is set.

    `match` compares with the model's name only, and the list of calls shows neither prompt nor photo.
    """

    kind: Literal["canned"]
    picture_bytes: Annotated[int, Field(ge=0, le=50_000_000)] = 0
    text: str | None = None


class RateLimited(_Rule):
    """429 for the requests of a minute. `retry_delay` goes into RetryInfo, `retry_after` into the header."""

    kind: Literal["rate_limited"]
    retry_delay: str | None = "2s"
    retry_after: int | None = None


class DailyQuota(_Rule):
    """429 for the requests of a day: waiting for `retry_delay` does not help."""

    kind: Literal["daily_quota"]
    retry_delay: str | None = "34s"


class Status(_Rule):
    """Any status. `body` is Google's JSON error, or `garbage` labelled as JSON, or a page of HTML, or nothing."""

    kind: Literal["status"]
    status: Annotated[int, Field(ge=200, le=599)]
    message: str = "The service answered as its script says."
    body: Literal["error", "garbage", "html", "nothing"] = "error"


class Redirect(_Rule):
    """To the same model under `/redirected`. Clients turn a POST into a GET on 302, and repeat it on 307."""

    kind: Literal["redirect"]
    status: Literal[302, 307] = 302


class BlockedPrompt(_Rule):
    kind: Literal["blocked_prompt"]
    block_reason: str = "PROHIBITED_CONTENT"


class Finish(_Rule):
    """A candidate without content that ended for `finish_reason`."""

    kind: Literal["finish_reason"]
    finish_reason: str = "IMAGE_SAFETY"
    finish_message: str = "Unable to show the generated image."


class NoImage(_Rule):
    """A candidate that ended normally, with content that holds no part; `role` says whether it names one."""

    kind: Literal["no_image"]
    role: bool = True


class TextOnly(_Rule):
    """Words where a picture or JSON was asked for."""

    kind: Literal["text_only"]
    text: str = "I have made the change you asked for."


class Empty(_Rule):
    """200 with neither candidates nor feedback: only usage, an empty object, or no byte at all."""

    kind: Literal["empty"]
    body: Literal["usage", "object", "nothing"] = "usage"


class Thoughts(_Rule):
    """The normal answer, after a thought in words and, with a picture, one in a picture."""

    kind: Literal["thoughts"]


class CutText(_Rule):
    """Structured output that ends in the middle, with MAX_TOKENS."""

    kind: Literal["cut_text"]


class TruncatedJson(_Rule):
    """200 and half of the normal body, with a Content-Length that agrees."""

    kind: Literal["truncated_json"]


class Html(_Rule):
    """200 and a page of HTML, as proxies do it."""

    kind: Literal["html"]


class BadBase64(_Rule):
    kind: Literal["bad_base64"]


class Hang(_Rule):
    """No answer, until the client leaves."""

    kind: Literal["hang"]


class Cut(_Rule):
    """RST or FIN: before the answer, or in the middle of its body."""

    kind: Literal["reset", "close"]
    at: Literal["start", "body"] = "start"


class Drip(_Rule):
    """The normal answer in `pieces`, `interval` seconds apart."""

    kind: Literal["drip"]
    pieces: Annotated[int, Field(ge=2, le=1000)] = 10
    interval: Seconds = 0.3


Rule = Annotated[
    Delay | Canned | RateLimited | DailyQuota | Status | Redirect | BlockedPrompt | Finish | NoImage | TextOnly | Empty
    | Thoughts | CutText | TruncatedJson | Html | BadBase64 | Hang | Cut | Drip,
    Field(discriminator="kind"),
]  # fmt: skip
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

    def canned(self, model: str) -> Canned | None:
        """Use the first rule that answers this model from the can."""
        return next((self._use(r) for r in self._rules if isinstance(r, Canned) and r.match in model), None)

    def take(self, *about: str) -> tuple[float, Rule | None]:
        """Use what applies to a request: how long to wait, and the first rule that answers it, if any."""
        wait = 0.0
        for rule in list(self._rules):
            if isinstance(rule, Canned) or not any(rule.match in text for text in about):
                continue
            self._use(rule)
            wait += rule.seconds
            if not isinstance(rule, Delay):
                return wait, rule
        return wait, None

    def _use(self, rule: R) -> R:
        if rule.times is not None:
            rule.times -= 1
            if rule.times == 0:
                self._rules = [other for other in self._rules if other is not rule]
        return rule
