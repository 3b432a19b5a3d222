"""Which channels listen to which topic. A private and a public topic of the same name never hear each other."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Protocol


class Listener(Protocol):
    """A joined channel. Hashed by identity."""

    @property
    def topic(self) -> str: ...

    @property
    def is_private(self) -> bool: ...

    def broadcast(self, message: Mapping[str, Any]) -> None: ...


class Hub:
    """Delivery is immediate and never waits: a listener that cannot keep up is its socket's business."""

    def __init__(self) -> None:
        self._listeners: dict[tuple[str, bool], set[Listener]] = defaultdict(set)

    @property
    def is_empty(self) -> bool:
        return not self._listeners

    def add(self, listener: Listener) -> None:
        self._listeners[listener.topic, listener.is_private].add(listener)

    def remove(self, listener: Listener) -> None:
        """Harmless for one that is not there."""
        key = listener.topic, listener.is_private
        self._listeners[key].discard(listener)
        if not self._listeners[key]:
            del self._listeners[key]

    def publish(
        self, topic: str, private: bool, event: str, payload: Any, *, meta: Any = None, sender: Listener | None = None
    ) -> None:
        """To everybody on the topic but the sender."""
        message = {"type": "broadcast", "event": event, "payload": payload}
        if meta is not None:
            message["meta"] = meta
        for listener in self._on(topic, private):
            if listener is not sender:
                listener.broadcast(message)

    def _on(self, topic: str, private: bool) -> Iterator[Listener]:
        # A listener whose socket overflows leaves while we walk.
        yield from tuple(self._listeners.get((topic, private), ()))
