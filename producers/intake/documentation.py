"""The OpenAPI document: FastAPI writes it from the routes, and what FastAPI cannot know is said here.

Every answer is in it, errors too, with each status's codes; a request that the schemas allow is refused only for what
the document cannot know, such as a missing photo or an empty balance.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.http import AnalyzeFaceRequest, GenerationBody, ProcessImageRequest
from schemas.orders import CreditPackCheckout, PlanCheckout
from schemas.problems import MEDIA_TYPE, PROBLEMS, ProblemBody
from schemas.tools import PICTURE_TOOLS

_REF = "#/components/schemas/"
_EVERYWHERE = ("method_not_allowed", "internal")


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


def _request_body(name: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": {"$ref": _REF + name}}}}


SECURITY: list[dict[str, list[str]]] = [{"accessToken": []}]
PROCESS_IMAGE = _request_body("ProcessImageRequest")
ANALYZE_FACE = _request_body("AnalyzeFaceRequest")
PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: answer when the generation is finished, or after N seconds, at most 60 (RFC 7240).",
    "schema": {"type": "string"},
    "example": "wait=30",
}
GENERATION_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
PAGING = [
    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}},
    {
        "name": "before",
        "in": "query",
        "description": "The `next` of the page before: only older generations are listed.",
        "schema": {"type": "string", "format": "uuid"},
    },
]
_PREFERENCE = {"Preference-Applied": _header("The wait that was granted, if one was asked for.")}
DONE: dict[str, Any] = {"headers": _PREFERENCE}
ACCEPTED: dict[str, Any] = {
    "model": GenerationBody,
    "description": "Queued, or an equal request is already running.",
    "headers": {"Location": _header("Where to ask for the generation."), **_PREFERENCE},
}
CHECKOUT: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"oneOf": [{"$ref": f"{_REF}{model.__name__}"} for model in (PlanCheckout, CreditPackCheckout)]}
        }
    },
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repetition with this key answers the same order.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
ORDERED: dict[str, Any] = {"headers": {"Location": _header("Where to ask for the order.")}}
ORDER_ID = GENERATION_ID
HMAC = {"name": "hmac", "in": "query", "schema": {"type": "string"}, "description": "Paymob's signature."}
CALLBACK: dict[str, Any] = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
RETURNED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page for the buyer.",
        "content": {"text/html; charset=utf-8": {"schema": {"type": "string"}}},
    },
    303: {
        "description": "On to `PAYMOB_RESULT_URL`.",
        "headers": {"Location": _header("With `outcome` and `orderId`.")},
    },
}
_HEADERS = {
    401: {"WWW-Authenticate": _header("RFC 6750.")},
    405: {"Allow": _header("The methods of this path.")},
    429: {"Retry-After": _header("In seconds.", "integer")},
    503: {"Retry-After": _header("In seconds.", "integer")},
}


def problem_responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The documented answers for these codes, and for those that every route may give, by status."""
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *_EVERYWHERE):
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    return {
        status: {
            "model": ProblemBody,
            "description": ", ".join(f"`{code}`" for code in sorted(of_status)),
            "headers": _HEADERS.get(status, {}),
        }
        for status, of_status in sorted(by_status.items())
    }


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document; made once."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for path in schema["paths"].values():
            for operation in path.values():
                _finish(operation["responses"])
        components = schema["components"]
        components["schemas"].update(_request_schemas())
        components["securitySchemes"] = {
            "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Supabase Auth."}
        }
        app.openapi_schema = schema
    return app.openapi_schema


def _finish(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        response.setdefault("headers", {})["X-Request-Id"] = _header("Names this request in our logs.")
        if status >= "400":
            response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}


def _request_schemas() -> dict[str, Any]:
    """The request bodies; that of a picture is one of as many as there are tools, each with its tool's parameters."""
    models: tuple[type[BaseModel], ...] = (
        ProcessImageRequest,
        AnalyzeFaceRequest,
        PlanCheckout,
        CreditPackCheckout,
        *dict.fromkeys(PICTURE_TOOLS.values()),
    )
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF + "{model}")
    schemas: dict[str, Any] = definitions["$defs"]
    base = schemas[ProcessImageRequest.__name__]
    variants = []
    for tool_id, model in PICTURE_TOOLS.items():
        properties = {
            **base["properties"],
            "toolId": {"type": "string", "const": tool_id},
            "toolParameters": {"$ref": _REF + model.__name__},
        }
        needed = ["toolParameters"] if "required" in schemas[model.__name__] else []
        variants.append({**base, "title": tool_id, "properties": properties, "required": [*base["required"], *needed]})
    schemas[ProcessImageRequest.__name__] = {"title": "ProcessImageRequest", "oneOf": variants}
    return schemas
