"""What all sockets of one Realtime share."""

from dataclasses import dataclass

from deploy.local.supabase.keys import Keys
from deploy.local.supabase.realtime.catalogue import Pool
from deploy.local.supabase.realtime.hub import Hub
from deploy.local.supabase.realtime.source import ChangeSource
from deploy.local.supabase.realtime.subscriptions import Subscriptions


@dataclass(frozen=True)
class State:
    keys: Keys
    database: Pool  # as the superuser, who may become any role
    hub: Hub
    subscriptions: Subscriptions
    source: ChangeSource
