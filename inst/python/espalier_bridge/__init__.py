"""R's side of the core: what exists only because R calls. The core itself never hears of R.

R makes one call, `espalier_bridge.call(request) -> response`, JSON text both ways. `connect()` comes first. What may
take long goes by `jobs.start()`, `look()` and `cancel()` instead.
"""

from espalier_bridge import jobs
from espalier_bridge.calls import call
from espalier_bridge.start import add_site, connect, own_environment

__all__ = ["add_site", "call", "connect", "jobs", "own_environment"]
