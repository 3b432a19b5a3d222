"""schemathesis over the intake's own document: whatever is sent, no 5xx, and every answer is one that it promises.

`FUZZ_CASES` says how many cases are made up, over all operations; those of the examples and of the limits in the
schemas come on top. `make fuzz CASES=10000` is the whole run.
"""

import os
import random
import re
from typing import Any
from uuid import UUID

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import negative_data_rejection

from producers.intake import create_app
from schemas.settings import Settings
from tests.fuzz.conftest import Callers

CASES = int(os.environ.get("FUZZ_CASES", "500"))
unused: dict[str, Any] = dict.fromkeys(("database_url", "redis_url", "supabase_url", "supabase_secret_key"), "unused")
document = create_app(Settings(_env_file=None, **unused)).openapi()
OPERATIONS = sum(len(operations) for operations in document["paths"].values())
# What a request that the schemas allow may still meet: limits, photos and rows that are not there. Never 400 or 422.
MET = ["2xx", "302", "303", "401", "402", "403", "404", "409", "413", "415", "429"]
config = schemathesis.Config.from_dict({"checks": {"positive_data_acceptance": {"expected-statuses": MET}}})
schema = schemathesis.openapi.from_dict(document, config=config)
NAMES = {
    parameter["name"]
    for operations in document["paths"].values()
    for operation in operations.values()
    for parameter in operation.get("parameters", ())
    if parameter["in"] == "query"
}
CHANCE = random.Random(0)  # the module's own starts anew with each case
LONG_WAIT = re.compile(r"wait\s*=\s*\"?\d+")


def as_integers(value: Any) -> Any:
    """JSON Schema takes 20.0 for an integer; the intake, which keeps one spelling, does not: no schema says that."""
    if isinstance(value, dict):
        return {name: as_integers(member) for name, member in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def aim(case: "Case[Any]", callers: Callers) -> UUID:
    """Let most of what is valid be about things that exist; answers who is to call."""
    if (case.method, case.path) == ("DELETE", "/v1/account"):
        return callers.newcomer()
    if "Prefer" in case.headers:  # nobody works here: waiting would only take long
        case.headers["Prefer"] = LONG_WAIT.sub("wait=0", str(case.headers["Prefer"]))
    if case.meta is None or case.meta.generation.mode.is_negative:
        return callers.rich
    if isinstance(case.body, dict):
        body: Any = as_integers(case.body)
        if body.get("toolId") == "hairstyle":  # any id has the shape; the catalogue knows which there are
            body["toolParameters"]["style"] = CHANCE.choice(callers.styles)
        if "originalImageStoragePath" in body and CHANCE.random() < 0.7:
            body["originalImageStoragePath"] = CHANCE.choice(callers.photos)
        case.body = body
    if "id" in case.path_parameters and CHANCE.random() < 0.7:
        case.path_parameters["id"] = callers.generation()
    return callers.poor if CHANCE.random() < 0.05 else callers.rich


@schema.parametrize()
@settings(max_examples=max(CASES // OPERATIONS, 5), deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_promises(case: "Case[Any]", callers: Callers) -> None:
    headers = {"Authorization": f"Bearer {callers.token(aim(case, callers))}"}
    answer = case.call(base_url=callers.stack.intake_url, headers=headers, timeout=30)
    callers.answers[f"{case.method} {case.path} {answer.status_code}"] += 1
    case.validate_response(
        answer,
        headers=headers,
        # A name in the query that the document does not have is ignored, as everywhere, and makes no request invalid.
        excluded_checks=[negative_data_rejection] if set(case.query) - NAMES else [],
        transport_kwargs={"base_url": callers.stack.intake_url},
    )
