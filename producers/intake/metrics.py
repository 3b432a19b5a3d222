"""What the intake tells Prometheus, on a port of its own."""

import structlog
from prometheus_client import start_http_server

from schemas.settings import Settings

log = structlog.get_logger()


def serve(settings: Settings) -> None:
    """Listen if `INTAKE_METRICS_PORT` is set, until the process ends. A port that is taken keeps no request waiting."""
    if settings.intake_metrics_port is None:
        return
    try:
        start_http_server(settings.intake_metrics_port, settings.intake_metrics_host)
    except OSError as error:
        log.error("metrics_unavailable", port=settings.intake_metrics_port, error=str(error))
    else:
        log.info("metrics_served", host=settings.intake_metrics_host, port=settings.intake_metrics_port)
