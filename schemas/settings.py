"""Configuration: one typed object, read once at start, passed down. Nothing else reads the environment.

Each field is an environment variable of the same name in capitals; `.env` in the working directory is read too.
`docs/reference/configuration.md` is generated from this file.
"""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class Settings(BaseSettings):
    """Everything that can be set. Intake and worker read the same class, each in its own environment."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    # Services
    database_url: SecretStr = Field(
        description="PostgreSQL, direct or through a pooler. Intake and worker each log in with a role of their own."
    )
    database_pool_size: Count = Field(8, description="Connections a process keeps open at most.")
    database_timeout_seconds: Seconds = Field(10, description="Deadline of one SQL call.")
    database_statement_cache: int = Field(
        100, ge=0, description="Prepared statements kept per connection; 0 behind a transaction pooler."
    )
    redis_url: SecretStr = Field(description="Redis or Valkey, the queue's wake-up.")
    redis_timeout_seconds: Annotated[float, Field(ge=1)] = Field(
        2, description="Deadline of one Redis call; an idle worker blocks for half a second in one."
    )
    supabase_url: str = Field(description="Base address of the Supabase project, as the services reach it.")
    supabase_public_url: str | None = Field(
        None, description="Base address that clients use, when it differs from SUPABASE_URL."
    )
    supabase_secret_key: SecretStr = Field(description="This component's own secret key (`sb_secret_…`).")
    storage_timeout_seconds: Seconds = Field(30, description="Deadline of one Storage call.")

    # Who may call the intake
    supabase_jwt_secret: SecretStr | None = Field(
        None, description="Legacy shared secret. Set it only for projects that still sign with HS256."
    )
    supabase_jwt_issuer: str | None = Field(
        None, description="Expected `iss`; by default `<SUPABASE_PUBLIC_URL or SUPABASE_URL>/auth/v1`."
    )
    jwks_cache_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        600, description="How long signing keys are kept; Supabase asks for no more than ten minutes."
    )
    jwks_refetch_seconds: Seconds = Field(
        10, description="At most one refetch in this time for tokens with an unknown `kid`."
    )

    # Intake
    intake_host: str = Field("127.0.0.1", description="Address the intake listens on.")
    intake_port: int = Field(8000, ge=0, le=65535, description="Port the intake listens on.")
    intake_max_body_bytes: Count = Field(16_384, description="Largest request body accepted.")
    intake_cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins browsers may call from, comma separated; `*` for any."
    )

    # Photos
    source_max_bytes: Count = Field(15_728_640, description="Largest photo accepted, in bytes.")
    source_max_pixels: Count = Field(50_000_000, description="Largest photo accepted, in pixels.")

    # Gemini
    gemini_api_key: SecretStr | None = Field(None, description="Key of the Gemini Developer API; the worker needs it.")
    gemini_base_url: str | None = Field(None, description="Another address for Gemini, for the local stand-in.")
    gemini_api_version: str = Field("v1", description="API version in Gemini's path.")
    gemini_image_model: str = Field("gemini-nano-banana-2.1", description="Model of the picture tools.")
    gemini_analysis_model: str = Field("gemini-3.8-flash", description="Model of the face analysis.")
    gemini_timeout_seconds: Annotated[float, Field(ge=10)] = Field(
        120, description="Deadline of one Gemini call; the real service refuses less than 10."
    )

    # Limits of the whole fleet towards Gemini. What must wait is deferred, and expires like anything queued too long
    gemini_calls_per_minute: int = Field(
        0,
        ge=0,
        description="Calls a minute to each model, a sixth of them at once; 0: no limit, as it depends on the "
        "project's tier, and Gemini's own 429 is honoured anyway.",
    )
    gemini_breaker_failures: Count = Field(
        20,
        description="Failures in a row, over the whole fleet, after which a model is not called for a while: as many "
        "as one worker has in flight by default, so that one bad moment is not an outage.",
    )
    gemini_breaker_seconds: Seconds = Field(
        15, description="How long, before a single call tries again: short, as that call costs little."
    )
    gemini_daily_cap_usd: float = Field(
        0, ge=0, description="Most that Gemini may cost a day (UTC); 0: no cap, as only the operator knows the budget."
    )
    gemini_picture_price_usd: Annotated[float, Field(ge=0)] = Field(
        0.034, description="What a picture counts towards the cap: the default model's price at 1K."
    )
    gemini_analysis_price_usd: Annotated[float, Field(ge=0)] = Field(
        0.01, description="What an analysis counts towards the cap: more than it costs, to be on the safe side."
    )

    # Worker
    worker_max_jobs: Count = Field(20, description="Generations one worker process runs at a time.")
    worker_lease_seconds: Annotated[float, Field(ge=1)] = Field(
        10, description="How long a dead worker keeps its jobs."
    )
    worker_renew_seconds: Seconds = Field(3, description="How often leases and the heartbeat are renewed.")
    worker_grace_seconds: Annotated[float, Field(ge=0)] = Field(
        20, description="How long a terminated worker may finish what runs."
    )
    worker_max_tries: Count = Field(3, description="Attempts a generation gets before it fails.")
    worker_attempt_seconds: Seconds = Field(300, description="Deadline of one whole attempt.")
    worker_backoff_seconds: Seconds = Field(2, description="Wait before the first retry; doubles, with jitter.")
    worker_backoff_max_seconds: Seconds = Field(120, description="Longest wait between two tries.")
    worker_sweep_seconds: Seconds = Field(1, description="How often due work is put back into the queue.")
    worker_sweep_page: Count = Field(500, description="Rows one sweep looks at, at most.")
    worker_metrics_port: int | None = Field(
        None, ge=1, le=65535, description="Port of the worker's `/metrics` for Prometheus; off unless set."
    )
    worker_metrics_host: str = Field(
        "127.0.0.1", description="Address that `/metrics` listens on; `0.0.0.0` in a container."
    )
    worker_crash_point: str | None = Field(
        None, description="Crash tests only: the instant of an attempt at which the worker kills itself."
    )

    # Upkeep
    queued_max_age_seconds: Seconds = Field(3600, description="A request queued for longer expires and costs nothing.")
    cache_ttl_seconds: Seconds = Field(2_592_000, description="How long a result answers equal requests; 30 days.")

    # Logs
    log_level: str = Field("info", description="debug, info, warning or error.")
    log_json: bool = Field(True, description="One JSON object a line; false for people.")

    @field_validator("intake_cors_origins", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(origin.strip().rstrip("/") for origin in value.split(",") if origin.strip())

    @property
    def public_url(self) -> str:
        """The address clients reach Supabase at, without a trailing slash."""
        return (self.supabase_public_url or self.supabase_url).rstrip("/")

    @property
    def jwt_issuer(self) -> str:
        """The `iss` a user's token must carry."""
        return self.supabase_jwt_issuer or f"{self.public_url}/auth/v1"
