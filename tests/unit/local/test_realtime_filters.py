"""Filters of postgres_changes bindings: what they mean, and what is refused."""

import pytest

from deploy.local.supabase.realtime.filters import Condition, FilterError, parse
from deploy.local.supabase.realtime.pgoutput import Unchanged, Value
from deploy.local.supabase.realtime.values import Type

TEXT, INTEGER, UUID, BOOLEAN = Type("text", 25), Type("int4", 23), Type("uuid", 2950), Type("bool", 16)
NUMERIC = Type("numeric", 1700)


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("id=eq.5", [Condition("id", "eq", ("5",))]),
        ("id=not.eq.5", [Condition("id", "eq", ("5",), negated=True)]),
        ("kind=eq.", [Condition("kind", "eq", ("",))]),
        ("kind=eq.a=b.c", [Condition("kind", "eq", ("a=b.c",))]),
        ('kind=eq."a,b"', [Condition("kind", "eq", ("a,b",))]),
        (r'kind=eq."say \"hi\" \\"', [Condition("kind", "eq", ('say "hi" \\',))]),
        ('kind=in.("a,b",c, d)', [Condition("kind", "in", ("a,b", "c", "d"))]),
        ("done=is.TRUE", [Condition("done", "is", ("true",))]),
        ("kind=like.a%,id=gte.3", [Condition("kind", "like", ("a%",)), Condition("id", "gte", ("3",))]),
        ("kind=eq.it's 5\" wide", [Condition("kind", "eq", ("it's 5\" wide",))]),
    ],
)
def test_a_filter_is_read_as_its_writer_meant_it(text: str, conditions: list[Condition]) -> None:
    assert list(parse(text)) == conditions


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id",
        "id=5",
        "id=resembles.5",
        "=eq.5",
        "id=in.5",
        "id=in.()",
        "id=in.(1",
        'kind=eq."a',
        "done=is.5",
        "a=eq.1,,b=eq.2",
        "id=in.(" + ",".join(map(str, range(101))) + ")",
        ",".join(["id=eq.1"] * 21),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "value", "kind", "holds"),
    [
        ("c=eq.a", "a", TEXT, True),
        ("c=eq.a", "A", TEXT, False),
        ("c=neq.a", "b", TEXT, True),
        ("c=not.neq.a", "b", TEXT, False),
        ("c=in.(a,b)", "b", TEXT, True),
        ("c=not.in.(a,b)", "c", TEXT, True),
        ("c=lt.10", "9", INTEGER, True),
        ("c=gte.10", "9", INTEGER, False),
        ("c=gt.-10", "-9", INTEGER, True),
        ("c=lte.10", "10", INTEGER, True),
        ("c=is.null", None, TEXT, True),
        ("c=not.is.null", None, TEXT, False),
        ("c=is.true", "t", BOOLEAN, True),
        ("c=is.unknown", "t", BOOLEAN, False),
        ("c=isdistinct.a", None, TEXT, True),
        ("c=isdistinct.null", None, TEXT, False),
        ("c=not.isdistinct.a", "a", TEXT, True),
    ],
)
def test_a_condition_holds_as_it_would_in_sql(text: str, value: Value, kind: Type, holds: bool) -> None:
    (condition,) = parse(text)
    assert condition.holds(value, kind) is holds


@pytest.mark.parametrize("operator", ["eq.a", "neq.a", "not.eq.a", "in.(a)", "not.in.(a)", "lt.a", "like.a"])
def test_comparing_with_null_or_with_an_unknown_value_never_holds(operator: str) -> None:
    (condition,) = parse(f"c={operator}")
    assert condition.holds(None, TEXT) is False
    assert condition.holds(Unchanged.TOAST, TEXT) is False


@pytest.mark.parametrize(
    ("text", "kind"), [("c=eq.1.0", NUMERIC), ("c=lt.b", TEXT), ("c=ilike.A%", TEXT), ("c=gt.a", UUID)]
)
def test_what_only_the_database_can_compare_is_left_to_it(text: str, kind: Type) -> None:
    (condition,) = parse(text)
    assert condition.holds("1", kind) is None
    assert "$1" in condition.sql("numeric")
