"""Where a user's own photos are: the one check between a path that a client sends and an object we read.

The check lists what is allowed instead of what is not. Storage itself takes only these characters in a name, so
nothing that could be uploaded is refused, while percent signs, backslashes, control characters and look-alikes of `.`
and `/` from the rest of Unicode have no way in, however often they are encoded.
"""

import re
from uuid import UUID

UPLOADS = "user_uploads"
MAX_LENGTH = 1024

_SEGMENT = r"(?![. ]+(?:/|$))[A-Za-z0-9_!.*'() &$@=;:+,?-]+"
_BELOW = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


class ForbiddenPathError(Exception):
    """The path is not one of an object in the user's own folder. The path itself is not repeated."""


def own_object_name(path: str, user_id: UUID) -> str:
    """The name inside bucket `user_uploads` of a photo in this user's folder.

    Takes `<user id>/…` and the same with the bucket in front, as supabase-js's `fullPath` has it; the id in lower case,
    as the Storage policies compare it. Raises `ForbiddenPathError` for everything else, whatever its spelling.
    """
    if len(path) > MAX_LENGTH:
        raise ForbiddenPathError
    name = path.removeprefix(f"{UPLOADS}/")
    folder = f"{user_id}/"
    if not name.startswith(folder) or not _BELOW.fullmatch(name, len(folder)):
        raise ForbiddenPathError
    return name
