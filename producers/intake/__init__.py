"""The intake: HTTP in, generations out. `python -m producers.intake` runs it; `create_app` is the application."""

from producers.intake.app import create_app

__all__ = ["create_app"]
