"""From the outcome of a SQL call to the problem that it is, where more than one route has it."""

from producers.intake.auth import refused
from schemas.problems import ProblemError


def no_account(outcome: str) -> ProblemError:
    """`account_deleted` while the account is going; after that its token belongs to nobody."""
    if outcome == "account_deleted":
        return ProblemError(outcome)
    return refused("The user of this token no longer exists.")
