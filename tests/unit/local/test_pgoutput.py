"""The decoder on messages that PostgreSQL 18 wrote for a table `cap (id int primary key, name text, big text)`."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deploy.local.supabase.realtime.pgoutput import Change, Column, Decoder, PgoutputError, Relation, Unchanged

BEGIN = "420000000001793358000303de58b1f375000002f8"
COMMIT = "430000000000017933580000000001793388000303de58b1f375"
RELATION = (
    "52000041327075626c696300636170006400030169640000000017ffffffff00"
    "6e616d650000000019ffffffff006269670000000019ffffffff"
)
FULL_RELATION = (
    "52000041327075626c696300636170006600030169640000000017ffffffff01"
    "6e616d650000000019ffffffff016269670000000019ffffffff"
)
INSERT = "49000041324e000374000000013174000000045a6fc3ab6e"
UPDATE_OF_KEY = "55000041324b00037400000001316e6e4e000374000000013274000000045a6fc3ab6e"
UPDATE_BESIDE_LARGE_VALUE = "55000041324e000374000000013274000000016175"
UPDATE_OF_FULL_ROW = f"55000041324f00037400000001327400000001617400000bb8{'78' * 3000}4e00037400000001327400000001626e"
DELETE_BY_KEY = "44000041324b00037400000001336e6e"
DELETE_OF_FULL_ROW = "44000041324f00037400000001327400000001626e"
TRUNCATE = "54000000010000004132"


def decode(*messages: str) -> list[Change]:
    return list(Decoder().changes(bytes.fromhex(message) for message in messages))


def test_an_insert_carries_its_relation_and_the_time_of_its_commit() -> None:
    (change,) = decode(BEGIN, RELATION, INSERT, COMMIT)
    assert change.relation == Relation(
        oid=0x4132,
        schema="public",
        table="cap",
        identity="d",
        columns=(Column("id", 23, True), Column("name", 25, False), Column("big", 25, False)),
    )
    assert change.action == "INSERT"
    assert change.new == {"id": "1", "name": "Zoë", "big": None}
    assert change.old is None
    assert change.committed_at == datetime(2026, 11, 22, 16, 0, 35, 812213, tzinfo=UTC)


def test_an_update_of_the_key_carries_the_old_key_and_nothing_else_of_the_old_row() -> None:
    (change,) = decode(BEGIN, RELATION, UPDATE_OF_KEY)
    assert change.action == "UPDATE"
    assert change.old == {"id": "1"}
    assert change.new == {"id": "2", "name": "Zoë", "big": None}


def test_a_large_value_that_was_left_alone_is_marked_unchanged() -> None:
    (change,) = decode(BEGIN, RELATION, UPDATE_BESIDE_LARGE_VALUE)
    assert change.old is None
    assert change.new == {"id": "2", "name": "a", "big": Unchanged.TOAST}


def test_an_update_under_full_identity_carries_the_whole_old_row() -> None:
    (change,) = decode(BEGIN, FULL_RELATION, UPDATE_OF_FULL_ROW)
    assert change.old == {"id": "2", "name": "a", "big": "x" * 3000}
    assert change.new == {"id": "2", "name": "b", "big": None}


def test_a_deletion_carries_the_key_or_the_full_row() -> None:
    by_key, whole = decode(BEGIN, RELATION, DELETE_BY_KEY, FULL_RELATION, DELETE_OF_FULL_ROW)
    assert (by_key.action, by_key.new, by_key.old) == ("DELETE", None, {"id": "3"})
    assert (whole.relation.identity, whole.old) == ("f", {"id": "2", "name": "b", "big": None})


def test_commits_and_truncations_are_no_changes() -> None:
    assert decode(BEGIN, RELATION, TRUNCATE, COMMIT) == []


def test_a_change_of_a_relation_never_described_is_an_error() -> None:
    with pytest.raises(PgoutputError, match="never described"):
        decode(BEGIN, INSERT)


@pytest.mark.parametrize("message", [INSERT, UPDATE_OF_KEY, DELETE_BY_KEY])
def test_a_message_cut_short_anywhere_is_an_error_and_never_a_wrong_row(message: str) -> None:
    whole = bytes.fromhex(message)
    for length in range(1, len(whole)):
        decoder = Decoder()
        list(decoder.changes([bytes.fromhex(RELATION)]))
        with pytest.raises(PgoutputError):
            list(decoder.changes([whole[:length]]))


@given(st.binary(max_size=200))
@example(b"B" + bytes(8) + b"\x04" + bytes(11))  # a commit in a year that no calendar has
def test_garbage_decodes_to_nothing_or_raises_its_own_error(garbage: bytes) -> None:
    decoder = Decoder()
    list(decoder.changes([bytes.fromhex(RELATION)]))
    with suppress(PgoutputError):
        list(decoder.changes([garbage]))
