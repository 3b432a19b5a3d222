"""`POST /webhooks/paymob`: a callback that Paymob signed goes into the inbox whole; nothing is decided here.

Answered 200 within milliseconds, a copy and a type that nobody needs too, for Paymob does not say whether it would come
again. Anything else changes nothing and leaves only a counter. With Postgres away the answer is 503; should Paymob not
repeat the callback, the sweep's inquiry makes it good.
"""

import structlog
from starlette.requests import Request
from starlette.responses import Response

from producers.intake.answers import json_response
from producers.intake.body import read_bytes
from producers.intake.services import Services, services_of
from producers.paymob.metrics import CALLBACKS
from schemas.orders import CallbackTaken
from schemas.paymob.callbacks import Callback, RefusedCallbackError, verified_callback
from schemas.problems import ProblemError

log = structlog.get_logger()


async def paymob_callback(request: Request) -> Response:
    """Take a callback of Paymob's server."""
    services = services_of(request)
    settings = services.settings
    if settings.paymob_hmac_secret is None:
        raise ProblemError("not_found")
    raw = await read_bytes(request, settings.paymob_max_callback_bytes)
    digests = request.query_params.getlist("hmac")
    try:
        if len(digests) > 1:
            raise RefusedCallbackError("signature")
        callback = verified_callback(
            settings.paymob_hmac_secret.get_secret_value(), raw, digests[0] if digests else None
        )
    except RefusedCallbackError as error:
        CALLBACKS.labels(error.reason).inc()
        raise ProblemError("invalid_signature") from None
    CALLBACKS.labels(await _noted(services, callback)).inc()
    return json_response(CallbackTaken(status="ok"))


async def _noted(services: Services, callback: Callback) -> str:
    """What has become of it: `taken`, `duplicate` or `unused`."""
    if callback.kind is None:
        return "unused"
    if not await services.purchases.record_event(callback.kind, callback.key, callback.body):
        return "duplicate"
    log.info("paymob_callback_taken", kind=callback.kind, event_key=callback.key)
    return "taken"
