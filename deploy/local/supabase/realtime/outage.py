"""PostgreSQL is away, going, or too slow: no answer to anything, and reason to ask again."""

import asyncpg

OUTAGES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, or past a statement's deadline
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a server that died in the middle of a message
)
