"""What all sockets of one Realtime share."""

from dataclasses import dataclass

import asyncpg

from deploy.local.supabase.keys import Keys
from deploy.local.supabase.realtime.hub import Hub
from deploy.local.supabase.realtime.source import ChangeSource
from deploy.local.supabase.realtime.subscriptions import Subscriptions


@dataclass(frozen=True)
class State:
    keys: Keys
    database: "asyncpg.Pool[asyncpg.Record]"  # as the superuser, who may become any role
    hub: Hub
    subscriptions: Subscriptions
    source: ChangeSource
