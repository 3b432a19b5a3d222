"""`python -m producers.intake`: the intake under uvicorn, on the address of the settings."""

import socket

import uvicorn

from producers.intake import metrics
from producers.intake.app import create_app
from schemas.logs import configure_logging
from schemas.settings import Settings

GRACE_SECONDS = 10


class _Server(uvicorn.Server):
    """Lets those who wait for a result go first, so that a stop does not wait for them."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self.config.app.state.services.finishes.close()  # type: ignore[union-attr]
        await super().shutdown(sockets)


def main() -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first."""
    settings = Settings()
    configure_logging(settings)
    metrics.serve(settings)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.intake_host,
        port=settings.intake_port,
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    _Server(config).run()


if __name__ == "__main__":
    main()
