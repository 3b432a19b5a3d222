"""Lua scripts that run inside Redis: each is one round trip and atomic."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from arq import ArqRedis

Argument: TypeAlias = bytes | str | int


class Script:
    """A script file of a package, preceded by the helpers of `schemas/lua/call.lua`.

    It travels whole only once per Redis start; from then on Redis knows it by its hash. Not for Redis Cluster: job
    keys follow from ids inside the scripts, as arq's own keys do.
    """

    def __init__(self, package: str, name: str) -> None:
        helpers = files("schemas").joinpath("lua/call.lua").read_text()
        self._text = helpers + files(package).joinpath(f"lua/{name}.lua").read_text()
        self._hash = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: "ArqRedis", keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run it; raises `redis.RedisError` or `OSError` when Redis is away."""
        try:
            return await redis.execute_command("EVALSHA", self._hash, len(keys), *keys, *arguments)  # type: ignore[no-untyped-call]
        except NoScriptError:
            return await redis.execute_command("EVAL", self._text, len(keys), *keys, *arguments)  # type: ignore[no-untyped-call]
