from tests.support.valkey import own_valkey, queue, redis_url, shared_valkey

__all__ = ["own_valkey", "queue", "redis_url", "shared_valkey"]
