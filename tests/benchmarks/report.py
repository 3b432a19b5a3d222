"""What a run leaves behind: `results.json` for programs, `docs/reference/benchmarks.md` for people."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from tests.benchmarks.contestants import REPOSITORY
from tests.benchmarks.rows import ROWS

RESULTS = Path(__file__).with_name("results.json")
PAGE = REPOSITORY / "docs" / "reference" / "benchmarks.md"
HEAD = """# Benchmarks

The queue beside the least that Redis and Python can do, and beside its peers. To reproduce (`ROWS` is optional):

```
make bench ROWS={rows}
```

The command rewrites this page and `tests/benchmarks/results.json`. All contestants take part in one interleaved run of
three rounds on the embedded Valkey and PostgreSQL, each in processes of its own: values are medians, with the lowest
and the highest in brackets. Where a figure to reach says nothing about peers, each of them runs in one round only.

- **floor** is a loop around BLMOVE, **floor_stream** a batched stream; neither retries anything or survives a crash.
- **ours** is `arq` with the leased worker and the real enqueue; jobs note when they begin and end, and do nothing else.
- Peers run with a hundred slots unless the row says otherwise, as their documentation sets them up, with uvloop where
  it is supported, without kept results and without a log line for each job. PostgreSQL does not wait for the disk, as
  Valkey does not.
- `kill_recovery`: what lets a peer's worker renew is set to 10 s, as our lease; what bounds a job's whole time to 30 s,
  less than a real job would need. Jobs that have not run again after 45 s count as not measured.
- `drain` and `drain_4`: who is not through after 5 s is judged by what began until then.

"""
COLUMNS = "| row | unit | to reach | reached | ours | floor | peers |\n|---|---|---|---|---|---|---|\n"


def machine(valkey: str, postgres: str) -> dict[str, Any]:
    """What the figures depend on, and when they were taken."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "valkey": valkey,
        "postgres": postgres,
        "system": f"{platform.system()} {platform.machine()}",
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def write(entries: Sequence[dict[str, Any]], machine: dict[str, Any]) -> None:
    """Replace the entries of these rows; those of rows that did not run stay, with their own machine and time."""
    fresh = {entry["row"] for entry in entries}
    old = orjson.loads(RESULTS.read_bytes()) if RESULTS.exists() else []
    kept = [entry for entry in old if entry["row"] not in fresh]
    order = [row.name for row in ROWS]
    everything = [*({**entry, "machine": machine} for entry in entries), *kept]
    everything.sort(key=lambda entry: order.index(entry["row"]) if entry["row"] in order else len(order))
    RESULTS.write_bytes(orjson.dumps(everything, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    PAGE.write_text(page(everything))


def page(entries: Sequence[dict[str, Any]]) -> str:
    """The Markdown page."""
    rows = ",".join(dict.fromkeys(entry["row"] for entry in entries))
    lines = [_line(entry) for entry in entries]
    return HEAD.format(rows=rows) + COLUMNS + "".join(lines) + "\n" + _machines(entries)


def _line(entry: dict[str, Any]) -> str:
    peers = "<br>".join(f"{name} {_value(value)}" for name, value in entry["peers"].items())
    reached = "yes" if entry["reached"] else "**no**"
    cells = (f"`{entry['row']}`", entry["unit"], entry["to_reach"], reached)
    return "| " + " | ".join((*cells, _value(entry["ours"]), _value(entry["floor"]), peers)) + " |\n"


def _value(value: dict[str, Any] | None) -> str:
    if value is None:
        return "–"
    if "failed" in value:
        return f"failed: {value['failed'].replace('|', '/')}"
    low, high = value["spread"]
    spread = f" ({low:,g}–{high:,g})" if value["rounds"] > 1 else ""
    return f"{value['median']:,g}{spread}"


def _machines(entries: Sequence[dict[str, Any]]) -> str:
    by_machine: dict[str, list[str]] = {}
    for entry in entries:
        about = entry["machine"]
        words = f"{about['measured']}: {about['cores']} cores, {about['system']}, Python {about['python']}"
        words += f", Valkey {about['valkey']}, PostgreSQL {about['postgres']}"
        by_machine.setdefault(words, []).append(f"`{entry['row']}`")
    return "".join(f"- {', '.join(dict.fromkeys(rows))}: {words}.\n" for words, rows in by_machine.items())
