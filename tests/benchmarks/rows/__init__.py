"""The rows of the table, in its order."""

from tests.benchmarks.rows import busy_pickup, concurrency, drain, idle_pickup, kill_recovery, queue_growth

ROWS = (idle_pickup.ROW, busy_pickup.ROW, drain.ROW, drain.FOUR, concurrency.ROW, kill_recovery.ROW, queue_growth.ROW)
