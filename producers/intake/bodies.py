"""From rows to bodies: a generation as its owner sees it, with an address at which its picture can be fetched."""

from collections.abc import Sequence

import asyncpg

from producers.intake.services import Services
from schemas.http import GenerationBody


async def body_of(services: Services, row: asyncpg.Record, *, cached: bool = False) -> GenerationBody:
    """One generation. Raises `unavailable` when its picture's address must be signed and Storage does not answer."""
    path = row["image_path"]
    urls = await services.pictures.urls([path]) if path else {}
    return GenerationBody.from_row(row, urls.get(path), cached=cached)


async def bodies_of(services: Services, rows: Sequence[asyncpg.Record]) -> list[GenerationBody]:
    """Several, with one call to Storage at most."""
    urls = await services.pictures.urls([row["image_path"] for row in rows if row["image_path"]])
    return [GenerationBody.from_row(row, urls.get(row["image_path"])) for row in rows]
