"""Decoder of PostgreSQL's `pgoutput` messages, protocol version 1, as logical decoding hands them out.

Pure: bytes in, dataclasses out. Values stay in PostgreSQL's text form; what they mean is `values.py`'s business.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Literal

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Unchanged(Enum):
    """A large value that the update left alone, and that PostgreSQL therefore did not write to its log."""

    TOAST = "unchanged"


Value = str | None | Unchanged
Row = Mapping[str, Value]
Action = Literal["INSERT", "UPDATE", "DELETE"]


class PgoutputError(Exception):
    """A message that is cut short, of an unknown kind, or about a relation never described."""


@dataclass(frozen=True)
class Column:
    name: str
    type_oid: int
    is_identity: bool


@dataclass(frozen=True)
class Relation:
    oid: int
    schema: str
    table: str
    identity: str  # d: primary key, f: full row, i: an index, n: nothing
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Change:
    """One row of a committed transaction. `old` holds identity columns only, unless the identity is the full row."""

    relation: Relation
    action: Action
    committed_at: datetime
    new: Row | None
    old: Row | None


@dataclass
class Decoder:
    """Decodes one batch. Relations are described anew in each batch, so that no description outlives an ALTER."""

    _relations: dict[int, Relation] = field(default_factory=dict)
    _committed_at: datetime = POSTGRES_EPOCH

    def changes(self, messages: Iterable[bytes]) -> Iterator[Change]:
        """The row changes among the messages, in commit order. Raises `PgoutputError`."""
        for message in messages:
            try:
                change = self._decode(message)
            except (struct.error, IndexError, ValueError, OverflowError) as error:
                raise PgoutputError("cut short or garbled") from error
            if change is not None:
                yield change

    def _decode(self, message: bytes) -> Change | None:
        reader = _Reader(message)
        kind = reader.text(1)
        match kind:
            case "B":
                _final_lsn, micros, _xid = reader.unpack("!QqI")
                self._committed_at = POSTGRES_EPOCH + timedelta(microseconds=micros)
            case "R":
                relation = _relation(reader)
                self._relations[relation.oid] = relation
            case "I" | "U" | "D":
                return self._change(kind, reader)
            case "C" | "Y" | "T" | "O" | "M":
                pass  # commit, type, truncate, origin, message: nobody is told of these
            case _:
                raise PgoutputError(f"unknown message kind {kind!r}")
        return None

    def _change(self, kind: Literal["I", "U", "D"], reader: "_Reader") -> Change:
        (oid,) = reader.unpack("!I")
        relation = self._relations.get(oid)
        if relation is None:
            raise PgoutputError(f"relation {oid} was never described")
        old: Row | None = None
        new: Row | None = None
        part = reader.text(1)
        if part in "KO":
            old = _row(reader, relation, identity_only=part == "K")
            part = reader.text(1) if kind == "U" else ""
        if part == "N":
            new = _row(reader, relation, identity_only=False)
        if (old if kind == "D" else new) is None:
            raise PgoutputError(f"no row in a message of kind {kind!r}")
        actions: dict[str, Action] = {"I": "INSERT", "U": "UPDATE", "D": "DELETE"}
        return Change(relation, actions[kind], self._committed_at, new, old)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def unpack(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def text(self, length: int) -> str:
        end = self._at + length
        if end > len(self._data):
            raise PgoutputError("cut short or garbled")
        text = self._data[self._at : end].decode()
        self._at = end
        return text

    def cstring(self) -> str:
        text = self.text(self._data.index(0, self._at) - self._at)
        self._at += 1
        return text


def _relation(reader: _Reader) -> Relation:
    (oid,) = reader.unpack("!I")
    schema = reader.cstring() or "pg_catalog"
    table, identity = reader.cstring(), reader.text(1)
    (count,) = reader.unpack("!h")
    return Relation(oid, schema, table, identity, tuple(_column(reader) for _ in range(count)))


def _column(reader: _Reader) -> Column:
    (flags,) = reader.unpack("!B")
    name = reader.cstring()
    type_oid, _modifier = reader.unpack("!Ii")
    return Column(name, type_oid, bool(flags & 1))


def _row(reader: _Reader, relation: Relation, *, identity_only: bool) -> Row:
    """A row of identity columns carries the other columns as nulls that mean nothing: they are left out."""
    (count,) = reader.unpack("!h")
    if count != len(relation.columns):
        raise PgoutputError(f"{count} values for {len(relation.columns)} columns of {relation.table}")
    values = [(column, _value(reader)) for column in relation.columns]
    return {column.name: value for column, value in values if column.is_identity or not identity_only}


def _value(reader: _Reader) -> Value:
    match reader.text(1):
        case "n":
            return None
        case "u":
            return Unchanged.TOAST
        case "t":
            (length,) = reader.unpack("!i")
            return reader.text(length)
        case kind:
            raise PgoutputError(f"unknown value kind {kind!r}")
