"""`python -m deploy.local.gemini`: serve the stand-in on LOCAL_HOST (127.0.0.1) and LOCAL_PORT."""

import os

import uvicorn

from deploy.local.gemini.app import StandIn
from deploy.local.gemini.connections import Connections, protocol_for


def main() -> None:
    connections = Connections()
    uvicorn.run(
        StandIn(connections).app(),
        host=os.environ.get("LOCAL_HOST", "127.0.0.1"),
        port=int(os.environ["LOCAL_PORT"]),
        http=protocol_for(connections),
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
