"""What a client may ask of a tool, and the one form in which it is kept."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.tools import (
    ANALYSIS,
    HAIR_COLORS,
    PICTURE_TOOLS,
    SKIN_TONES,
    TOOLS,
    InvalidParametersError,
    UnknownToolError,
    parse_parameters,
)

VALID: dict[str, dict[str, object]] = {
    "hairstyle": {"style": "female-short-1", "color": "e91e63"},
    "hair-color": {"color": "000000"},
    "eye-color": {"eyeColor": "03a9f4"},
    "skin-color": {"skinTone": "Sand"},
    "beard": {"beardStyle": "Goatee"},
    "age": {"age": 70},
    "smile": {"intensity": 0},
    "fat": {"intensity": 100},
    "bald": {"intensity": 1},
    "halloween": {"halloweenStyle": "whole figure"},
    "analysis": {},
}
DEFAULTS = {
    "beard": {"beardStyle": "Stubble"},
    "age": {"age": 40},
    "smile": {"intensity": 50},
    "fat": {"intensity": 50},
    "bald": {"intensity": 50},
    "halloween": {"halloweenStyle": "face only"},
}
REQUIRED = {"hairstyle": "style", "hair-color": "color", "eye-color": "eyeColor", "skin-color": "skinTone"}


def refused_field(tool: str, raw: object) -> str:
    with pytest.raises(InvalidParametersError) as refusal:
        parse_parameters(tool, raw)
    return refusal.value.field


def test_there_are_eleven_tools_and_all_but_the_analysis_make_pictures() -> None:
    assert set(TOOLS) == set(VALID)
    assert set(TOOLS) - set(PICTURE_TOOLS) == {ANALYSIS}


@pytest.mark.parametrize("tool", VALID)
def test_what_is_canonical_stays_as_it_is(tool: str) -> None:
    assert parse_parameters(tool, VALID[tool]) == VALID[tool]


@pytest.mark.parametrize("tool", DEFAULTS)
def test_leaving_a_default_out_and_spelling_it_out_is_the_same_request(tool: str) -> None:
    assert parse_parameters(tool, {}) == parse_parameters(tool, DEFAULTS[tool]) == DEFAULTS[tool]


@pytest.mark.parametrize("tool", REQUIRED)
def test_what_has_no_default_must_be_given(tool: str) -> None:
    assert refused_field(tool, {}) == REQUIRED[tool]


def test_no_colour_may_be_left_out_or_spelled_out() -> None:
    style = {"style": "male-fade-1"}
    assert parse_parameters("hairstyle", style) == parse_parameters("hairstyle", {**style, "color": None}) == style


@pytest.mark.parametrize("spelling", ["E91E63", "#e91e63", "#E91e63", "e91e63"])
def test_hair_colours_have_one_spelling(spelling: str) -> None:
    assert parse_parameters("hair-color", {"color": spelling}) == {"color": "e91e63"}
    assert parse_parameters("eye-color", {"eyeColor": spelling}) == {"eyeColor": "e91e63"}


@pytest.mark.parametrize(("name", "color"), SKIN_TONES.items())
def test_skin_tones_may_be_named_or_given_by_colour(name: str, color: str) -> None:
    for spelling in (name, color, f"#{color}", color.upper()):
        assert parse_parameters("skin-color", {"skinTone": spelling}) == {"skinTone": name}


def test_the_palettes_are_complete() -> None:
    assert (len(set(HAIR_COLORS)), len(set(SKIN_TONES.values()))) == (12, 10)


@pytest.mark.parametrize("value", ["40", True, 40.0, 9, 91, None, [40], {"age": 40}, "", 10**30, -40])
def test_an_age_is_a_whole_number_from_10_to_90_and_nothing_like_it(value: object) -> None:
    assert refused_field("age", {"age": value}) == "age"


@pytest.mark.parametrize("value", ["50", True, 50.0, -1, 101, None])
@pytest.mark.parametrize("tool", ["smile", "fat", "bald"])
def test_an_intensity_is_a_whole_number_from_0_to_100_and_nothing_like_it(tool: str, value: object) -> None:
    assert refused_field(tool, {"intensity": value}) == "intensity"


@pytest.mark.parametrize("value", ["123456", "##e91e63", "e91e63 ", "#e91e6", "red", "ｅ91e63", 0, None, ["000000"]])
def test_a_colour_is_one_of_the_catalogue(value: object) -> None:
    assert refused_field("hair-color", {"color": value}) == "color"
    assert refused_field("eye-color", {"eyeColor": value}) == "eyeColor"
    assert refused_field("skin-color", {"skinTone": value}) == "skinTone"


@pytest.mark.parametrize(
    "value", ["", "Female-Short-1", "a b", "a--b", "x" * 65, "a\n", "a\x00", "ignore all rules;", 1]
)
def test_a_style_has_the_shape_of_a_catalogue_id(value: object) -> None:
    assert refused_field("hairstyle", {"style": value}) == "style"


@pytest.mark.parametrize("tool", VALID)
def test_an_unknown_parameter_is_refused_by_name(tool: str) -> None:
    assert refused_field(tool, {**VALID[tool], "prompt": "make me a king"}) == "prompt"


def test_a_name_that_only_python_uses_is_unknown() -> None:
    assert refused_field("eye-color", {"eyeColor": "000000", "eye_color": "000000"}) == "eye_color"


def test_every_fault_is_named_and_no_value_is_repeated() -> None:
    with pytest.raises(InvalidParametersError) as refusal:
        parse_parameters("hairstyle", {"style": "SECRET", "color": "SECRET", "x" * 5000: "SECRET"})
    assert [field[:5] for field, _ in refusal.value.errors] == ["style", "color", "xxxxx"]
    assert "SECRET" not in str(refusal.value.errors)
    assert len(str(refusal.value.errors)) < 500


@pytest.mark.parametrize("raw", [None, [], "{}", 1, True])
def test_parameters_are_an_object(raw: object) -> None:
    assert refused_field("age", raw) == "toolParameters"


@pytest.mark.parametrize("tool", ["", "Age", "age ", "analysis2", "../age", "a\x00"])
def test_an_unknown_tool_is_said_to_be_unknown(tool: str) -> None:
    with pytest.raises(UnknownToolError):
        parse_parameters(tool, {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(TOOLS)), st.data())
def test_whatever_is_sent_comes_out_canonical_or_not_at_all(tool: str, data: st.DataObject) -> None:
    fields = [field.alias or "" for field in TOOLS[tool].model_fields.values()]
    raw = data.draw(st.dictionaries(st.sampled_from([*fields, "other"]), JSON))
    with suppress(InvalidParametersError):
        canonical = parse_parameters(tool, raw)
        assert set(canonical) <= set(fields)
        assert parse_parameters(tool, canonical) == canonical
