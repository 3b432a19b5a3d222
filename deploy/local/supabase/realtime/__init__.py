"""A stand-in for Supabase Realtime: changes of tables and broadcasts, over WebSockets, under row level security.

`Realtime(context)` has the routes and is the lifespan. Presence is answered but not kept; broadcasts are not replayed.
"""

from deploy.local.supabase.realtime.service import Realtime

__all__ = ["Realtime"]
