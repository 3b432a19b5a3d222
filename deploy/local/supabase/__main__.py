"""`python -m deploy.local.supabase`: the stand-ins in one process, until SIGINT or SIGTERM.

Reads `LOCAL_HOST`, `LOCAL_PORT`, `LOCAL_DATABASE_URL` (of the superuser; the services' own roles share its password),
`LOCAL_STORAGE_DIR`, `LOCAL_OUTBOX_DIR`, `LOCAL_KEYS_FILE`, `LOCAL_PUBLIC_URL` (where clients reach it),
`LOCAL_INTAKE_URL` (where functions reach the intake).
"""

import asyncio
from pathlib import Path

import uvicorn
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.local.supabase.app import build_app
from deploy.local.supabase.context import open_context
from deploy.local.supabase.keys import Keys

MAX_FRAME_BYTES = 4 * 1024 * 1024
GRACE_SECONDS = 3


class LocalSettings(BaseSettings):
    """What the stack gives the process."""

    model_config = SettingsConfigDict(env_prefix="LOCAL_", extra="ignore")

    host: str = "127.0.0.1"
    port: int
    database_url: str
    storage_dir: Path
    outbox_dir: Path
    keys_file: Path
    public_url: str | None = None
    intake_url: str | None = None


async def serve(settings: LocalSettings) -> None:
    public_url = settings.public_url or f"http://{settings.host}:{settings.port}"
    keys = Keys.load(settings.keys_file)
    async with open_context(
        settings.database_url, keys, settings.storage_dir, settings.outbox_dir, public_url
    ) as context:
        config = uvicorn.Config(
            build_app(context, settings.intake_url),
            host=settings.host,
            port=settings.port,
            log_level="warning",
            access_log=False,
            ws="auto",
            ws_max_size=MAX_FRAME_BYTES,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(serve(LocalSettings()))
