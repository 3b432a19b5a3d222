"""What the ledger machine does: each call of the product's functions, and each change of the world around them.

Calls name generations by a number of the machine's own, which a row gets with the submission that made it.
"""

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Submit:
    user: int
    age: int
    generation: int = -1
    """The number of the row, should one be made."""


@dataclass(frozen=True)
class Start:
    generation: int
    worker: int


@dataclass(frozen=True)
class Settle:
    generation: int
    behind: int
    """How many attempts ago the caller was started; 0 is the latest."""
    fence: int = -1


@dataclass(frozen=True)
class Fail:
    generation: int
    behind: int
    fence: int = -1


@dataclass(frozen=True)
class Defer:
    generation: int
    behind: int
    counts: bool
    fence: int = -1


@dataclass(frozen=True)
class Cancel:
    generation: int
    stranger: bool


@dataclass(frozen=True)
class Delete:
    generation: int
    stranger: bool


@dataclass(frozen=True)
class Retry:
    generation: int


@dataclass(frozen=True)
class Age:
    """A queued generation becomes older than a request may get."""

    generation: int


@dataclass(frozen=True)
class Expire:
    spared: frozenset[int] = field(default_factory=frozenset)
    """Too old, but busy with another call just then."""


@dataclass(frozen=True)
class Sweep:
    """due_generations: hands out rows, changes nothing that counts."""


@dataclass(frozen=True)
class Remove:
    """Every planned removal is carried out."""


@dataclass(frozen=True)
class Purge:
    """The cache forgets everything."""


@dataclass(frozen=True)
class Beat:
    """A worker's heartbeat, or its end."""

    worker: int
    alive: bool


@dataclass(frozen=True)
class MoveAnchor:
    """The user's periods are counted from so many days ago."""

    user: int
    days: int


@dataclass(frozen=True)
class ChangePlan:
    user: int
    paid: bool
    lapsed: bool


@dataclass(frozen=True)
class ChangeTool:
    cost: int
    version: int
    active: bool


@dataclass(frozen=True)
class ReplacePhoto:
    user: int
    etag: int = -1


@dataclass(frozen=True)
class Owe:
    """A claw-back that found nothing left."""

    user: int
    credits: int


OnGeneration: TypeAlias = Start | Settle | Fail | Defer | Cancel | Delete | Retry | Age
OnWorld: TypeAlias = Expire | Sweep | Remove | Purge | Beat | MoveAnchor | ChangePlan | ChangeTool | ReplacePhoto | Owe
Call: TypeAlias = Submit | OnGeneration | OnWorld
