"""What the actors choose from."""

from typing import Any, Final

from worker.checkpoints import POINTS

# How often a user does what, relative to each other.
USER_ACTIONS: Final = {"submit": 60, "repeat": 14, "cancel": 12, "delete": 8, "look": 4, "replace": 2}

REQUESTS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    *(("age", {"age": age}) for age in (20, 35, 50, 65, 80)),
    *(("smile", {"intensity": intensity}) for intensity in (25, 50, 75)),
    ("fat", {"intensity": 60}),
    ("beard", {"beardStyle": "Goatee"}),
    ("hair-color", {"color": "3f51b5"}),
    ("eye-color", {"eyeColor": "4caf50"}),
    *(("analysis", {}) for _ in range(3)),
)

# How a worker's life ends, and at which crash point, if at one: half of them end by a signal.
LIVES: Final[tuple[tuple[str, str | None], ...]] = (
    *(("kill", point) for point in POINTS),
    *(("kill", None) for _ in range(len(POINTS) // 2)),
    *(("terminate", None) for _ in range(len(POINTS) // 2)),
)

# For `POST /local/faults` of the Supabase stand-in. The worker gives a call three seconds here.
STORAGE_FAULTS: Final[tuple[dict[str, Any], ...]] = (
    *({"match": "storage", "kind": "status", "status": status} for status in (500, 503, 544)),
    {"match": "storage upload", "kind": "status", "status": 503},
    {"match": "storage upload", "kind": "status", "status": 403},
    {"match": "storage upload", "kind": "lost"},
    {"match": "storage upload", "kind": "lost"},
    {"match": "storage upload", "kind": "reset"},
    {"match": "storage upload", "kind": "hang", "delay": 5},
    {"match": "storage upload", "kind": "slow", "delay": 2},
    {"match": "storage upload", "kind": "slow", "delay": 5},
    {"match": "storage download", "kind": "status", "status": 500},
    {"match": "storage download", "kind": "reset"},
    {"match": "storage download", "kind": "lost"},
    {"match": "storage download", "kind": "slow", "delay": 1.5},
    {"match": "storage remove", "kind": "status", "status": 503},
    {"match": "storage remove", "kind": "lost"},
)

# For `POST /local/script` of the Gemini stand-in.
GEMINI_RULES: Final[tuple[dict[str, Any], ...]] = (
    *({"kind": "status", "status": status} for status in (400, 403, 404, 500, 503, 503, 504)),
    {"kind": "status", "status": 502, "body": "html"},
    {"kind": "status", "status": 500, "body": "garbage"},
    {"kind": "rate_limited", "retry_delay": "1s"},
    {"kind": "rate_limited", "retry_delay": None, "retry_after": 1},
    {"kind": "daily_quota"},
    {"kind": "redirect"},
    {"kind": "blocked_prompt"},
    {"kind": "finish_reason"},
    {"kind": "finish_reason", "finish_reason": "RECITATION"},
    {"kind": "no_image"},
    {"kind": "text_only"},
    *({"kind": "empty", "body": body} for body in ("usage", "object", "nothing")),
    {"kind": "thoughts"},
    {"kind": "cut_text", "match": "flash"},
    {"kind": "truncated_json"},
    {"kind": "html"},
    {"kind": "bad_base64"},
    {"kind": "hang"},
    *({"kind": kind, "at": at} for kind in ("reset", "close") for at in ("start", "body")),
    {"kind": "drip", "pieces": 5, "interval": 0.4},
    *({"kind": "delay", "seconds": seconds} for seconds in (0.5, 1.0, 2.0, 3.0)),
)
