"""What was asked of the stand-in: the newest calls whole, and how many there were."""

import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

_KEPT = 10_000


@dataclass
class Call:
    """One request.

    `outcome` is `running` until it is answered; then `picture`, `json`, `text`, `refused` or a rule's kind.
    """

    method: str
    model: str
    prompt: str | None = None
    tool: str | None = None
    value: str | None = None
    photo_sha256: str | None = None
    outcome: str = "running"
    at: float = field(default_factory=time.time)


class Calls:
    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._newest: deque[Call] = deque(maxlen=_KEPT)
        self._count = 0

    def seen(self, call: Call) -> Call:
        self._newest.append(call)
        self._count += 1
        return call

    def listing(self) -> dict[str, Any]:
        return {"count": self._count, "calls": [asdict(call) for call in self._newest]}
