"""Configuration: one typed object, read once at start, passed down. Nothing else reads the environment.

Each field is an environment variable of the same name in capitals; `.env` in the working directory is read too.
`docs/reference/configuration.md` is generated from this file.
"""

from typing import Annotated, Literal

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
    database_pooler: Literal["auto", "transaction", "none"] = Field(
        "auto",
        description="`transaction`: DATABASE_URL is a pooler in transaction mode, so nothing may be kept in a session; "
        "`none`: a direct connection, or a pooler in session mode. `auto`: `transaction` where DATABASE_URL names port "
        "6543, as all of Supabase's transaction poolers do, else `none`.",
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

    intake_metrics_port: int | None = Field(
        None, ge=1, le=65535, description="Port of the intake's `/metrics` for Prometheus; off unless set."
    )
    intake_metrics_host: str = Field(
        "127.0.0.1", description="Address that `/metrics` listens on; `0.0.0.0` in a container."
    )

    # Photos
    source_max_bytes: Count = Field(15_728_640, description="Largest photo accepted, in bytes.")
    source_max_pixels: Count = Field(50_000_000, description="Largest photo accepted, in pixels.")

    # Results
    results_private: bool = Field(
        False,
        description="The bucket `generations` is private, so `imageUrl` is signed whenever it is read. Make the bucket "
        "private as well: see docs/how-to/storage.md.",
    )
    result_url_seconds: Annotated[int, Field(ge=1, le=604_800)] = Field(
        3600, description="How long a signed `imageUrl` works, counted from when it was read."
    )

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

    # Paymob. Without the first three there is nothing to buy
    paymob_secret_key: SecretStr | None = Field(None, description="Secret key: intentions and refunds.")
    paymob_public_key: str | None = Field(None, description="Public key; part of the checkout page's address.")
    paymob_integration_ids: Annotated[tuple[int, ...], NoDecode] = Field(
        (), description="Integrations that buyers may pay with, comma separated; callbacks of others are refused."
    )
    paymob_hmac_secret: SecretStr | None = Field(
        None, description="Secret that callbacks are signed with; without it none is taken."
    )
    paymob_api_key: SecretStr | None = Field(None, description="API key: inquiries by the sweep and the console.")
    paymob_live: bool = Field(True, description="False takes payments made in Paymob's test mode, and only those.")
    paymob_base_url: str = Field("https://accept.paymob.com", description="Paymob's API; this is Egypt's.")
    paymob_checkout_url: str = Field(
        "https://accept.paymob.com/unifiedcheckout/", description="The page that buyers are sent to."
    )
    paymob_notification_url: str | None = Field(
        None, description="Where Paymob posts callbacks: our `/webhooks/paymob`; unset, what its dashboard says."
    )
    paymob_redirection_url: str | None = Field(
        None, description="Where it sends the buyer's browser: our `/webhooks/paymob`; unset, what its dashboard says."
    )
    paymob_result_url: str | None = Field(
        None, description="Page of the app that such a browser is sent on to; unset, it is shown a plain page."
    )
    paymob_timeout_seconds: Seconds = Field(10, description="Deadline of one call of Paymob's API.")
    paymob_max_callback_bytes: Count = Field(65_536, description="Largest callback accepted.")
    order_lifetime_seconds: Annotated[int, Field(ge=60)] = Field(
        3600, description="How long a checkout page can be paid at; the order expires when nobody did."
    )
    order_inquiry_seconds: Seconds = Field(
        300, description="How long an order is open before the sweep inquires about it, in case a callback was lost."
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

    @field_validator("paymob_integration_ids", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("intake_cors_origins", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(origin.strip().rstrip("/") for origin in value.split(",") if origin.strip())

    @property
    def can_sell(self) -> bool:
        """Whether there is all that it takes to ask Paymob for a payment."""
        return bool(self.paymob_secret_key and self.paymob_public_key and self.paymob_integration_ids)

    @property
    def public_url(self) -> str:
        """The address clients reach Supabase at, without a trailing slash."""
        return (self.supabase_public_url or self.supabase_url).rstrip("/")

    @property
    def jwt_issuer(self) -> str:
        """The `iss` a user's token must carry."""
        return self.supabase_jwt_issuer or f"{self.public_url}/auth/v1"
