"""From a claimed payload to the function it names, and from what the function did to arq's stored result."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from arq.cron import CronJob
from arq.jobs import Deserializer, Serializer, deserialize_job_raw, serialize_result
from arq.utils import ms_to_datetime, timestamp_ms
from arq.worker import Function

from worker.leasing.leases import Claimed


class RubbishError(Exception):
    """The payload names nothing that this worker can run; `reason` says why. Trying again would not help."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments. `tries` includes this one."""

    function: Function | CronJob
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    tries: int
    enqueued_ms: int
    enqueued_at: datetime


def read_call(job: Claimed, functions: Mapping[str, Function | CronJob], deserializer: Deserializer | None) -> Call:
    """Raises RubbishError for anything but a complete payload of a known function."""
    try:
        name, arguments, keywords, first_try, enqueued_ms = deserialize_job_raw(job.payload, deserializer=deserializer)
        enqueued_at = ms_to_datetime(enqueued_ms)
        arguments, keywords = tuple(arguments), dict(keywords)
        tries = max(job.tries, first_try or 1)
    except Exception as error:  # whatever a foreign payload can provoke
        raise RubbishError("undecodable_payload") from error
    if not isinstance(name, str) or name not in functions:
        raise RubbishError("unknown_function")
    return Call(functions[name], arguments, keywords, tries, enqueued_ms, enqueued_at)


def stored_result(
    job: Claimed,
    call: Call,
    outcome: object,
    *,
    success: bool,
    started_ms: int,
    queue_name: str,
    serializer: Serializer | None,
) -> bytes | None:
    """What `Job.result()` of a producer reads; None when it cannot be said in the serializer's format."""
    return serialize_result(
        call.function.name,
        call.arguments,
        call.keywords,
        call.tries,
        call.enqueued_ms,
        success,
        outcome,
        started_ms,
        timestamp_ms(),
        job.job_id,
        queue_name,
        job.job_id,
        serializer=serializer,
    )
