"""`python -m deploy.local.paymob`: serve the stand-in on LOCAL_HOST (127.0.0.1) and LOCAL_PORT."""

import os

import uvicorn

from deploy.local.paymob.app import create_app


def main() -> None:
    uvicorn.run(
        create_app(),
        host=os.environ.get("LOCAL_HOST", "127.0.0.1"),
        port=int(os.environ["LOCAL_PORT"]),
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
