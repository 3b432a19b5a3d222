"""arq's worker with leases: the same keys, payloads and command line, and no job lost when a process dies.

`LeasedWorker` takes many due jobs in one call, keeps them under a lease that a dead worker cannot renew, and commits
what ends in groups. `install()` puts it in the place where arq's command line looks for its worker.
"""

from worker.leasing.renewals import Leasing
from worker.leasing.worker import LeasedWorker, install

__all__ = ["LeasedWorker", "Leasing", "install"]
