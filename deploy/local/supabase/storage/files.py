"""The bytes of objects on disk, one file a version.

A version is a random UUID and is written once: to a scratch file, then renamed, so that a version that is there is
whole. Which object a version belongs to stands in `storage.objects` only; no name of a client's becomes a path.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

CHUNK_BYTES = 262_144


@dataclass(frozen=True)
class Written:
    """A version that is on disk and that no row names yet."""

    version: str
    size: int
    md5: str


class Files:
    """Only this process writes the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scratch = folder / "scratch"
        shutil.rmtree(self._scratch, ignore_errors=True)  # uploads that a crash cut off
        self._scratch.mkdir(parents=True)

    async def write(self, chunks: AsyncIterator[bytes]) -> Written:
        """Writes what comes as a new version. When the iterator raises, nothing is left behind."""
        scratch = self._scratch / uuid4().hex
        digest = hashlib.md5(usedforsecurity=False)
        size = 0
        file = await asyncio.to_thread(scratch.open, "xb")
        try:
            async for chunk in chunks:
                size += len(chunk)
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            file.close()
            version = str(uuid4())
            await asyncio.to_thread(_publish, scratch, self._path(version))
        finally:
            file.close()
            scratch.unlink(missing_ok=True)
        return Written(version, size, digest.hexdigest())

    async def copy(self, version: str | None) -> str:
        """A new version with the same bytes. Raises `FileNotFoundError`."""
        fresh = str(uuid4())
        await asyncio.to_thread(_link, self._path(version), self._path(fresh))
        return fresh

    async def open(self, version: str | None) -> BinaryIO:
        """Raises `FileNotFoundError`. A version removed meanwhile can still be read to its end."""
        return await asyncio.to_thread(self._path(version).open, "rb")

    async def remove(self, version: str | None) -> None:
        """Gone or never there: both are fine."""
        path = self._path(version)
        await asyncio.to_thread(path.unlink, missing_ok=True)

    def _path(self, version: str | None) -> Path:
        name = hashlib.sha256((version or "").encode()).hexdigest()
        return self._folder / name[:2] / name


async def read(file: BinaryIO, first: int, last: int) -> AsyncIterator[bytes]:
    """The bytes from `first` to `last`, both included; closes the file."""
    with file:
        file.seek(first)
        left = last - first + 1
        while left > 0:
            chunk = await asyncio.to_thread(file.read, min(CHUNK_BYTES, left))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk


def _publish(scratch: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    scratch.rename(target)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    os.link(source, target)  # versions never change
