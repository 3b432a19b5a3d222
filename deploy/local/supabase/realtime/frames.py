"""Frames of the Realtime socket in both serialisations: objects (`vsn=1.0.0`) and arrays (`vsn=2.0.0`).

The second one also has binary frames: kind 3 is a broadcast pushed by a client, kind 4 one sent to clients.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

VERSIONS = frozenset({"1.0.0", "2.0.0"})
MAX_FRAME_BYTES = 1 << 20
MAX_TOPIC_BYTES = 255
_PUSH, _BROADCAST = 3, 4
_BINARY, _JSON = 0, 1


class FrameError(Exception):
    """A frame that is no message. The socket it came from is closed, as Supabase's server does."""


@dataclass(frozen=True)
class Frame:
    """One message either way. `ref` and `join_ref` are the client's and are only ever echoed."""

    topic: str
    event: str
    payload: Any
    ref: str | None = None
    join_ref: str | None = None


def decode(data: str | bytes, version: str) -> Frame:
    """Raises `FrameError`."""
    if isinstance(data, bytes):
        return _decode_push(data)
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise FrameError("not JSON") from error
    if version == "1.0.0" and isinstance(message, Mapping):
        fields = [message.get(name) for name in ("join_ref", "ref", "topic", "event", "payload")]
    elif version == "2.0.0" and isinstance(message, list) and len(message) == 5:
        fields = message
    else:
        raise FrameError("not a message of this version")
    join_ref, ref, topic, event, payload = fields
    if not isinstance(topic, str) or not isinstance(event, str):
        raise FrameError("no topic or event")
    if len(topic.encode()) > MAX_TOPIC_BYTES:
        raise FrameError("topic too long")
    return Frame(topic, event, payload, _reference(ref), _reference(join_ref))


def encode(frame: Frame, version: str) -> str | bytes | None:
    """None when this version cannot carry the frame: bytes broadcast to a client of version 1.0.0."""
    if _carries_bytes(frame):
        return _encode_broadcast(frame) if version == "2.0.0" else None
    if version == "2.0.0":
        return orjson.dumps([frame.join_ref, frame.ref, frame.topic, frame.event, frame.payload]).decode()
    message = {"topic": frame.topic, "event": frame.event, "payload": frame.payload, "ref": frame.ref}
    if frame.join_ref is not None:
        message["join_ref"] = frame.join_ref
    return orjson.dumps(message).decode()


def _reference(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise FrameError("ref is no string")


def _carries_bytes(frame: Frame) -> bool:
    return isinstance(frame.payload, Mapping) and isinstance(frame.payload.get("payload"), bytes)


def _decode_push(data: bytes) -> Frame:
    """Kind, five lengths (join ref, ref, topic, event, metadata), encoding, those five, then the payload."""
    if len(data) < 7 or data[0] != _PUSH:
        raise FrameError("unknown binary frame")
    at = 7
    parts = []
    for length in data[1:6]:
        parts.append(data[at : at + length])
        at += length
    if at > len(data) or data[6] not in (_BINARY, _JSON):
        raise FrameError("binary frame cut short")
    try:
        join_ref, ref, topic, event = (part.decode() for part in parts[:4])
        payload = data[at:] if data[6] == _BINARY else orjson.loads(data[at:])
    except ValueError as error:
        raise FrameError("binary frame garbled") from error
    message = {"type": "broadcast", "event": event, "payload": payload}
    return Frame(topic, "broadcast", message, ref or None, join_ref or None)


def _encode_broadcast(frame: Frame) -> bytes:
    """Kind, three lengths (topic, event, metadata), encoding, those three, then the payload."""
    meta = frame.payload.get("meta")
    parts = (frame.topic.encode(), frame.payload["event"].encode(), b"" if meta is None else orjson.dumps(meta))
    header = bytes((_BROADCAST, *(len(part) for part in parts), _BINARY))
    return b"".join((header, *parts, frame.payload["payload"]))
