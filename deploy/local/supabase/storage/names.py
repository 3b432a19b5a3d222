"""Which object and bucket names are accepted."""

import re

from deploy.local.supabase.storage.errors import StorageError, invalid_key

MAX_NAME_BYTES = 1024
NAME = re.compile(r"[\w/!\-.*'() &$@=;:+,?]+", re.ASCII)
BUCKET = re.compile(r"[\w!\-.*'() &$@=;:+,?]{1,100}", re.ASCII)


def valid_name(name: str) -> str:
    """The name, when it is one that Storage takes: no empty part, no dot segment. Raises `StorageError`."""
    parts = name.split("/")
    if (
        NAME.fullmatch(name) is None
        or len(name) > MAX_NAME_BYTES
        or any(part in ("", ".", "..") for part in parts)
        or name != name.strip()
    ):
        raise invalid_key(name)
    return name


def valid_bucket(name: str) -> str:
    """The bucket's name. Raises `StorageError`."""
    if BUCKET.fullmatch(name) is None or name in (".", "..") or name != name.strip():
        raise StorageError(400, "Invalid Input", "Bucket name invalid", "InvalidBucketName")
    return name
