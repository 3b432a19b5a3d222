"""A database as text, to compare what several ways of migrating have made of it."""

import re
import subprocess

from deploy.local.postgres import Postgres

OURS = ("public", "sparky", "cache")
TIME = re.compile(r"'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^']*'")
SECRET = re.compile(r"'\\x[0-9a-f]{64}'")


def dumped(server: Postgres) -> list[str]:
    """Every schema, with policies, triggers, grants and publications; the rows of ours, and the buckets.

    Without the migrations' books; each instant is `<time>`, each random key `<secret>`.
    """
    rows = ("--data-only", "--column-inserts")
    text = [
        *_pg_dump(server, "--schema-only", "--exclude-schema=supabase_migrations"),
        *_pg_dump(server, *rows, *(f"--schema={schema}" for schema in OURS)),
        *_pg_dump(server, *rows, "--table=storage.buckets"),
    ]
    return [SECRET.sub("<secret>", TIME.sub("<time>", line)) for line in text]


def _pg_dump(server: Postgres, *options: str) -> list[str]:
    argv = [str(server.program("pg_dump")), "--restrict-key=test", *options, server.dsn()]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
