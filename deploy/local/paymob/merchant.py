"""The one merchant that the stand-in knows: its keys, which open nothing but the stand-in, and its integrations."""

from typing import Final

SECRET_KEY: Final = "egy_sk_local"  # noqa: S105 - opens the stand-in only
PUBLIC_KEY: Final = "egy_pk_local"
API_KEY: Final = "local_api_key"
HMAC_SECRET: Final = "local_hmac_secret"  # noqa: S105
PROFILE: Final = 160_001
OWNER: Final = 302_852
CARD: Final = 4_001
WALLET: Final = 4_002
AUTHORIZE: Final = 4_003
"""Cards that are only authorized at first and captured later."""
INTEGRATIONS: Final = {CARD: "card", WALLET: "wallet", AUTHORIZE: "card"}


def environment(url: str, intake_url: str) -> dict[str, str]:
    """What intake and worker need in order to use the stand-in at `url`."""
    webhook = f"{intake_url}/webhooks/paymob"
    return {
        "PAYMOB_BASE_URL": url,
        "PAYMOB_CHECKOUT_URL": f"{url}/unifiedcheckout/",
        "PAYMOB_SECRET_KEY": SECRET_KEY,
        "PAYMOB_PUBLIC_KEY": PUBLIC_KEY,
        "PAYMOB_API_KEY": API_KEY,
        "PAYMOB_HMAC_SECRET": HMAC_SECRET,
        "PAYMOB_INTEGRATION_IDS": ",".join(map(str, INTEGRATIONS)),
        "PAYMOB_NOTIFICATION_URL": webhook,
        "PAYMOB_REDIRECTION_URL": webhook,
    }
