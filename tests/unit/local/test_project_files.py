"""`deploy/supabase/config.toml` and the mail templates keep each promise that Auth and the functions rest on."""

import re
import tomllib
from typing import Any

import pytest

from deploy.local.supabase.auth.configuration import CONFIGURATION, PROJECT, load
from deploy.local.supabase.auth.mail import TEMPLATES
from deploy.local.supabase.functions import FORWARDED

CONFIG: dict[str, Any] = tomllib.loads((PROJECT / "config.toml").read_text())
AUTH, EMAIL = CONFIG["auth"], CONFIG["auth"]["email"]
VARIABLE = re.compile(r"\{\{.*?\}\}")
MAILS = sorted(TEMPLATES.values())


def test_an_address_is_confirmed_by_a_six_digit_code_within_an_hour() -> None:
    assert EMAIL["enabled"] is True
    assert EMAIL["enable_confirmations"] is True
    assert EMAIL["otp_length"] == 6
    assert EMAIL["otp_expiry"] == 3600
    assert EMAIL["max_frequency"] == "60s"


def test_a_change_of_address_is_confirmed_from_both() -> None:
    assert EMAIL["double_confirm_changes"] is True


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_shows_the_code_and_no_link(name: str) -> None:
    template = CONFIGURATION.templates[name]
    assert VARIABLE.findall(template.content) == ["{{ .Token }}"]
    assert VARIABLE.findall(template.subject) == []
    for mark in ("href", "http", "src=", "<a", "ConfirmationURL", "TokenHash", "SiteURL"):
        assert mark not in template.content


def test_each_mail_is_told_by_its_subject() -> None:
    subjects = [CONFIGURATION.templates[name].subject for name in MAILS]
    assert all(subjects)
    assert len(set(subjects)) == len(MAILS) == len(CONFIGURATION.templates)


def test_mails_go_through_a_server_of_ones_own_and_its_secrets_come_from_the_environment() -> None:
    smtp = EMAIL["smtp"]
    assert smtp["enabled"] is True
    assert smtp["port"] in (465, 587)
    assert {smtp[name] for name in ("host", "user", "pass", "admin_email")} == {
        "env(SMTP_HOST)",
        "env(SMTP_USER)",
        "env(SMTP_PASS)",
        "env(SMTP_SENDER)",
    }


def test_guessing_a_code_is_hopeless() -> None:
    """An address may try 30 codes in five minutes, so 360 of a million while one is good."""
    limits = AUTH["rate_limit"]
    guesses = limits["token_verifications"] * EMAIL["otp_expiry"] / 300
    assert guesses / 10 ** EMAIL["otp_length"] < 0.001
    assert 0 < limits["sign_in_sign_ups"] <= 30
    assert 0 < limits["token_refresh"] <= 150
    assert limits["email_sent"] > 2


def test_sessions_are_short_and_rotate_and_nobody_is_anonymous() -> None:
    assert AUTH["jwt_expiry"] == 3600
    assert AUTH["enable_refresh_token_rotation"] is True
    assert AUTH["enable_anonymous_sign_ins"] is False
    assert AUTH["minimum_password_length"] >= 8


def test_no_file_of_keys_is_asked_for() -> None:
    """The command line refuses every command while a signing key file that it names is missing, as in a fresh clone."""
    assert "signing_keys_path" not in AUTH


def test_nothing_secret_is_written_down() -> None:
    """Every value that could be one is read from the environment."""

    def leaves(value: Any, name: str = "") -> list[tuple[str, str]]:
        if isinstance(value, dict):
            return [leaf for key, below in value.items() for leaf in leaves(below, key)]
        return [(name, value)] if isinstance(value, str) else []

    secret = re.compile(r"secret|pass$|token$|key$|SPARKY", re.IGNORECASE)
    named = [(name, value) for name, value in leaves(CONFIG) if secret.search(name)]
    assert named
    assert all(value.startswith("env(") for _, value in named), named


@pytest.mark.parametrize("name", sorted(FORWARDED))
def test_functions_take_the_new_keys(name: str) -> None:
    """The platform's own check of tokens knows only the legacy ones; the intake checks them all."""
    assert CONFIG["functions"][name] == {"verify_jwt": False}
    assert (PROJECT / "functions" / name / "index.ts").is_file()


def test_every_function_is_one_that_the_gateway_has_too() -> None:
    assert set(CONFIG["functions"]) == set(FORWARDED)


def test_the_stand_in_is_told_by_the_files() -> None:
    assert load() == CONFIGURATION
    assert CONFIGURATION.code_digits == EMAIL["otp_length"]
    assert CONFIGURATION.code_seconds == EMAIL["otp_expiry"]
    assert CONFIGURATION.access_token_seconds == AUTH["jwt_expiry"]
    assert CONFIGURATION.password_length == AUTH["minimum_password_length"]


def test_a_mail_as_plain_text_has_the_code_and_no_markup() -> None:
    text = CONFIGURATION.templates["confirmation"].text("012345")
    assert "\n\n012345\n\n" in text
    assert "<" not in text
    assert "{{" not in text
