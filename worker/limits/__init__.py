"""What the whole fleet may ask of Gemini: calls a minute to each model, calls to a model that keeps failing, and money
a day. The state is in Redis; without Redis nothing is limited. A call that must wait is deferred, never failed.
"""

from worker.limits.gemini import LimitedGemini
from worker.limits.limits import Limits

__all__ = ["LimitedGemini", "Limits"]
