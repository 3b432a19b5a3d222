"""The part of Supabase's REST interface (PostgREST) that the app and its tests use: `routes(context)`.

Embedding, JSON paths, casts, logical trees of filters and full-text operators are refused by name.
"""

from starlette.routing import BaseRoute, Route

from deploy.local.supabase.context import Context
from deploy.local.supabase.rest import read, rpc, write
from deploy.local.supabase.rest.errors import Handler, endpoint

HANDLERS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/rpc/{function}", rpc.call),
    ("POST", "/rpc/{function}", rpc.call),
    ("GET", "/{table}", read.read),
    ("POST", "/{table}", write.insert),
    ("PATCH", "/{table}", write.update),
    ("DELETE", "/{table}", write.delete),
)


def routes(context: Context) -> list[BaseRoute]:
    """Everything below `/rest/v1`."""
    return [Route(f"/rest/v1{path}", endpoint(context, handler), methods=[verb]) for verb, path, handler in HANDLERS]
