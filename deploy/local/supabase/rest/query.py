"""From PostgREST's query string to SQL: only quoted identifiers and bound parameters ever reach the text."""

import re
from dataclasses import dataclass, field

from starlette.requests import Request

from deploy.local.supabase.rest.catalog import Table, quote
from deploy.local.supabase.rest.errors import RestError, bad_request, unsupported

MAX_ROWS = 1000
RESERVED = frozenset({"select", "order", "limit", "offset", "columns", "on_conflict", "apikey"})
COMPARISONS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
PATTERNS = {"like": "like", "ilike": "ilike"}
IS = {"null": "is null", "not_null": "is not null", "true": "is true", "false": "is false", "unknown": "is unknown"}
ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,"]*))\s*(,|$)')
SELECTED = re.compile(r"(?:([^:,()]+):)?([^:,()]+)")


@dataclass
class Parameters:
    """Values of one statement, in order."""

    values: list[object] = field(default_factory=list)

    def bind(self, value: object) -> str:
        """The placeholder for the value."""
        self.values.append(value)
        return f"${len(self.values)}"


@dataclass(frozen=True)
class Page:
    """`limit` rows after `offset`."""

    limit: int
    offset: int


def selection(request: Request, table: Table) -> str:
    """The column list: `*`, columns, `alias:column`."""
    wanted = request.query_params.get("select", "*") or "*"
    if "(" in wanted:
        raise unsupported("embedded resources")
    columns = []
    for part in wanted.split(","):
        item = part.strip()
        if item == "*":
            columns.append(f"{table.identifier}.*")
            continue
        match = SELECTED.fullmatch(item)
        if match is None or "->" in item or "::" in item:
            raise unsupported(f"the selection {item!r}")
        alias, column = match.groups()
        columns.append(f"{table.column(column)} as {quote(alias or column)}")
    return ", ".join(columns)


def conditions(request: Request, table: Table, parameters: Parameters) -> str:
    """The `where` clause with its keyword, or nothing."""
    parts = []
    for name, value in request.query_params.multi_items():
        if name in RESERVED:
            continue
        if name in ("or", "and", "not.or", "not.and"):
            raise unsupported("logical trees of filters")
        parts.append(_condition(table, name, value, parameters))
    return f" where {' and '.join(parts)}" if parts else ""


def ordering(request: Request, table: Table) -> str:
    """The `order by` clause with its keyword, or nothing."""
    text = request.query_params.get("order")
    if not text:
        return ""
    terms = []
    for part in text.split(","):
        column, *modifiers = part.strip().split(".")
        term = table.column(column)
        for modifier in modifiers:
            if modifier in ("asc", "desc"):
                term += f" {modifier}"
            elif modifier in ("nullsfirst", "nullslast"):
                term += f" nulls {modifier.removeprefix('nulls')}"
            else:
                raise bad_request(f"failed to parse order ({text})")
        terms.append(term)
    return f" order by {', '.join(terms)}"


def page(request: Request) -> Page:
    """From `limit` and `offset`, or the `Range` header; never more than the server's most."""
    offset = _number(request, "offset", 0)
    limit = _number(request, "limit", MAX_ROWS)
    span = re.fullmatch(r"(\d+)-(\d*)", request.headers.get("range", ""), re.ASCII)
    if span is not None and not {"limit", "offset"} & request.query_params.keys():
        offset = int(span.group(1))
        limit = int(span.group(2)) - offset + 1 if span.group(2) else MAX_ROWS
        if limit < 0:
            raise RestError(416, "PGRST103", "Requested range not satisfiable")
    return Page(min(limit, MAX_ROWS), offset)


def _condition(table: Table, name: str, value: str, parameters: Parameters) -> str:
    column, kind = table.column(name), table.columns.get(name, "text")
    negated = value.startswith("not.")
    operator, dot, operand = value.removeprefix("not.").partition(".")
    if not dot:
        raise bad_request(f'"failed to parse filter ({value})"')
    if operator in COMPARISONS:
        sql = f"{column} {COMPARISONS[operator]} cast({parameters.bind(operand)}::text as {kind})"
    elif operator in PATTERNS:
        sql = f"{column} {PATTERNS[operator]} {parameters.bind(operand.replace('*', '%'))}::text"
    elif operator == "is" and operand.lower() in IS:
        sql = f"{column} {IS[operand.lower()]}"
    elif operator == "in" and operand.startswith("(") and operand.endswith(")"):
        sql = f"{column} = any(cast({parameters.bind(_items(operand[1:-1]))}::text[] as {kind}[]))"
    elif operator in ("is", "in"):
        raise bad_request(f'"failed to parse filter ({value})"')
    else:
        raise unsupported(f"the operator {operator!r}")
    return f"not ({sql})" if negated else f"({sql})"


def _items(text: str) -> list[str]:
    """The values of a list such as `1,"a,b",c`."""
    items: list[str] = []
    position = 0
    while text and position <= len(text):
        match = ITEM.match(text, position)
        if match is None:
            raise bad_request(f'"failed to parse filter (in.({text}))"')
        quoted, plain, end = match.groups()
        items.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain.strip())
        if not end:
            break
        position = match.end()
    return items


def _number(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name)
    if value is None:
        return default
    if re.fullmatch(r"\d{1,9}", value, re.ASCII) is None:
        raise bad_request(f'"failed to parse {name} ({value})"')
    return int(value)
