"""Answers made beforehand, for measurements in which Gemini must cost next to nothing."""

from functools import lru_cache

from deploy.local.gemini.edits import Picture
from deploy.local.gemini.script import Canned
from deploy.local.gemini.wire import Ask, answer, dump, picture_part
from deploy.local.portrait import jpeg, portrait

_COMMENT_BYTES = 65_533


@lru_cache(maxsize=16)
def canned_body(model: str, picture_bytes: int, text: str | None) -> bytes:
    """The whole body of an answer: `text`, or a valid JPEG filled up to `picture_bytes`."""
    ask = Ask(model, "", b"", wants_picture=text is None, wants_json=text is not None, schema=None)
    if text is not None:
        return dump(answer(ask, [{"text": text}]))
    return dump(answer(ask, [picture_part(Picture("image/jpeg", filled_jpeg(picture_bytes)))]))


def canned_answer(rule: Canned, model: str) -> bytes:
    return canned_body(model, rule.picture_bytes, rule.text)


def filled_jpeg(size: int) -> bytes:
    """A portrait as a JPEG with comments after its first marker, of `size` bytes or its own size if that is larger."""
    picture = jpeg(portrait(384, 512))
    missing = size - len(picture)
    comments = bytearray()
    while missing > 4:
        filling = min(missing - 4, _COMMENT_BYTES)
        comments += b"\xff\xfe" + (filling + 2).to_bytes(2, "big") + b"." * filling
        missing -= filling + 4
    return picture[:2] + bytes(comments) + picture[2:]
