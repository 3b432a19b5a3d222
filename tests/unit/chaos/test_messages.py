"""The wire's witness knows a settle when it passes, as asyncpg writes it."""

import struct
from uuid import uuid4

from tests.chaos.messages import Statements, first_column


def framed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def parse(name: bytes, query: bytes) -> bytes:
    return framed(b"P", name + b"\0" + query + b"\0" + struct.pack("!h", 0))


def bind(name: bytes, *values: bytes) -> bytes:
    sent = b"".join(struct.pack("!i", len(value)) + value for value in values)
    return framed(b"B", b"\0" + name + b"\0" + struct.pack("!hhh", 1, 1, len(values)) + sent + struct.pack("!hh", 1, 1))


def test_a_settle_is_recognised_with_its_generation_and_fence() -> None:
    statements, generation = Statements(), uuid4()
    assert statements.settle_in(parse(b"one", b"select sparky.settle_generation($1, $2)")) is None
    settle = statements.settle_in(bind(b"one", generation.bytes, struct.pack("!q", 3)))
    assert settle is not None
    assert (settle.generation, settle.fence) == (generation, 3)


def test_other_statements_pass() -> None:
    statements = Statements()
    statements.settle_in(parse(b"one", b"select sparky.fail_generation($1, $2)"))
    assert statements.settle_in(bind(b"one", uuid4().bytes, struct.pack("!q", 3))) is None
    assert statements.settle_in(framed(b"S", b"")) is None


def test_the_answer_is_the_first_column() -> None:
    row = framed(b"D", struct.pack("!h", 1) + struct.pack("!i", 7) + b"settled")
    assert first_column(row) == "settled"
