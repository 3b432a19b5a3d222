"""PostgreSQL's text forms as JSON: the same document that `to_jsonb` would give."""

import orjson
import pytest

from deploy.local.supabase.realtime.values import Type, to_json


@pytest.mark.parametrize(
    ("text", "kind", "document"),
    [
        (None, Type("text", 25), b"null"),
        ("t", Type("bool", 16), b"true"),
        ("9223372036854775807", Type("int8", 20), b"9223372036854775807"),
        ("12.500000000000000000000001", Type("numeric", 1700), b"12.500000000000000000000001"),
        ("NaN", Type("numeric", 1700), b'"NaN"'),
        ("1e-05", Type("float8", 701), b"1e-05"),
        ('{"a": [1, null]}', Type("jsonb", 3802), b'{"a": [1, null]}'),
        ("2026-01-02 03:04:05.6+00", Type("timestamptz", 1184), b'"2026-01-02T03:04:05.6+00:00"'),
        ("2026-01-02 03:04:05", Type("timestamp", 1114), b'"2026-01-02T03:04:05"'),
        ("infinity", Type("timestamptz", 1184), b'"infinity"'),
        ("2026-01-02", Type("date", 1082), b'"2026-01-02"'),
        ("a\nb", Type("text", 25), b'"a\\nb"'),
        ("{}", Type("_int4", 1007, 23), b"[]"),
        ("{1,NULL,3}", Type("_int4", 1007, 23), b"[1,null,3]"),
        ("[0:1]={1,2}", Type("_int4", 1007, 23), b"[1,2]"),
        ("{{1,2},{3,4}}", Type("_int4", 1007, 23), b"[[1,2],[3,4]]"),
        (
            r'{a,"b c","d\"e","",NULL,"NULL","{x}"}',
            Type("_text", 1009, 25),
            rb'["a","b c","d\"e","",null,"NULL","{x}"]',
        ),
        ("{t,f}", Type("_bool", 1000, 16), b"[true,false]"),
    ],
)
def test_a_value_becomes_the_json_that_clients_expect(text: str | None, kind: Type, document: bytes) -> None:
    assert orjson.dumps(to_json(text, kind)) == document
