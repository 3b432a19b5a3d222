"""What is counted of Paymob's callbacks. Names and labels are an interface that dashboards rely on."""

from typing import Final

from prometheus_client import Counter

CALLBACKS: Final = Counter(
    "sparky_paymob_callbacks",
    "Callbacks received: taken, duplicate, unused; or refused: signature, malformed",
    ["outcome"],
)
