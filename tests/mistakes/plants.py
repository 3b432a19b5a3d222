"""The mistakes, made again: each in a copy of the database, in patched code, or in a copy of the project's files.

A plant is given the product of its copy and may patch; it answers the product to test, mostly the same one.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import orjson
import pytest

import worker.prompts
from producers.intake import checkout, submission
from producers.paymob import webhook
from schemas.paymob.callbacks import Callback, verified_callback
from schemas.paymob.client import Purchase
from tests.mistakes.product import Product

Plant = Callable[[Product, pytest.MonkeyPatch, Path], Awaitable[Product]]


def statement(sql: str) -> Plant:
    """Run as the migrations' own role."""

    async def plant(product: Product, _: pytest.MonkeyPatch, __: Path) -> Product:
        await product.database.execute(sql)
        return product

    return plant


def rewritten(function: str, old: str, new: str) -> Plant:
    """The SQL function with another body. Fails when the text to replace is no longer there."""

    async def plant(product: Product, _: pytest.MonkeyPatch, __: Path) -> Product:
        source = await product.database.fetchval(
            "select pg_get_functiondef(oid) from pg_catalog.pg_proc"
            " where pronamespace = 'sparky'::regnamespace and proname = $1",
            function,
        )
        if old not in source:
            raise LookupError(f"{function} has no {old!r}")
        await product.database.execute(source.replace(old, new))
        return product

    return plant


def patched(module: object, name: str, value: object) -> Plant:
    """Python code with another function."""

    async def plant(product: Product, monkeypatch: pytest.MonkeyPatch, _: Path) -> Product:
        monkeypatch.setattr(module, name, value)
        return product

    return plant


def edited(files: str, old: str, new: str) -> Plant:
    """A copy of `deploy/supabase` in which the files of this pattern are edited."""

    async def plant(product: Product, _: pytest.MonkeyPatch, scratch: Path) -> Product:
        folder = scratch / "supabase"
        copytree(product.folder, folder)
        texts = {file: file.read_text() for file in folder.glob(files)}
        if not any(old in text for text in texts.values()):
            raise LookupError(f"{files} has no {old!r}")
        for file, text in texts.items():
            file.write_text(text.replace(old, new))
        return replace(product, folder=folder)

    return plant


def verify_the_root(secret: str, raw: bytes, digest: str | None) -> Callback:
    body = orjson.loads(raw)
    return verified_callback(secret, orjson.dumps({**body, "obj": body}), digest)


def the_same_reference(**purchase: Any) -> Purchase:
    return Purchase(**purchase | {"reference": f"{purchase['billing'].email}::{purchase['item']}"})


_SECOND_DEDUCTION = """
create function public.deduct() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    if new.kind = 'capture' then
        update public.users set credits = credits + new.amount where id = new.user_id;
    end if;
    return new;
end
$$;
create trigger deduct after insert on public.credit_usage for each row execute function public.deduct();
"""
_HOURLY_REMINDER = """
create function sparky.remind_inactive_users() returns void language sql as $$
    insert into public.notifications (user_id, type, title_key, message_key)
    select id, 'general', 'we-miss-you', 'we-miss-you' from public.users
$$;
"""

# Number of the mistake, what was planted, and how.
PLANTS: tuple[tuple[int, str, Plant], ...] = (
    (1, "columns granted", statement("grant update (credits, plan_id) on public.users to authenticated")),
    (1, "whole table granted", statement("grant update on public.users to authenticated")),
    (2, "a trigger deducts too", statement(_SECOND_DEDUCTION)),
    (3, "checked without a lock", rewritten("lock_user", " for no key update", "")),
    (4, "the body's root is verified", patched(webhook, "verified_callback", verify_the_root)),
    (5, "refunds are payments", rewritten("apply_payment_event", "(t ->> 'has_parent_transaction')::boolean or", "")),
    (5, "voids are payments", rewritten("apply_payment_event", "or (t ->> 'is_voided')::boolean", "")),
    (6, "user and plan for a reference", patched(checkout, "Purchase", the_same_reference)),
    (7, "path not checked in SQL", rewritten("submit_generation", "and starts_with(p_path, p_user || '/')", "")),
    (7, "path not checked in HTTP", patched(submission, "own_object_name", lambda path, _: path)),
    (7, "owner not checked", rewritten("delete_generation", "or g.user_id is distinct from p_user", "")),
    (8, "parameters not checked", patched(submission, "parse_parameters", lambda _, parameters: parameters)),
    (8, "prompt not checked", patched(worker.prompts, "parse_parameters", lambda _, parameters: parameters)),
    (9, "result not kept", rewritten("settle_generation", "result = p_result", "result = null")),
    (
        10,
        "names from the clock",
        rewritten("new_object_name", "replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')", "now()"),
    ),
    (
        10,
        "a name for each attempt",
        rewritten("start_generation", "g.object_name, g.failures", "sparky.new_object_name(g.user_id), g.failures"),
    ),
    (11, "an hourly reminder", statement(_HOURLY_REMINDER)),
    (12, "confirmation off", edited("config.toml", "enable_confirmations = true", "enable_confirmations = false")),
    (12, "a link in the mail", edited("templates/*.html", "{{ .Token }}", "{{ .Token }} {{ .ConfirmationURL }}")),
    (12, "no code in the mail", edited("templates/*.html", "{{ .Token }}", "{{ .TokenHash }}")),
)
