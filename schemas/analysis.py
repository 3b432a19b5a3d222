"""The result of the face analysis, as Gemini is asked for it, as it is stored, and as clients read it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Description = Annotated[str, Field(min_length=1, max_length=4000)]
Score = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class AnalysisResult(BaseModel):
    """All thirteen are required; camelCase on the wire. A value out of range or of another type is refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, serialize_by_alias=True, validate_by_name=True, strict=True, frozen=True
    )

    face_shape: Description
    eye_shape: Description
    overall_analysis: Description
    emotional_expression: Description
    perceived_age: Annotated[int, Field(ge=0, le=120)]
    symmetry_score: Score
    youthfulness_score: Score
    skin_clarity: Score
    jawline_definition_score: Score
    cheekbone_prominence_score: Score
    lip_fullness_score: Score
    skin_evenness_score: Score
    golden_ratio_score: Score
