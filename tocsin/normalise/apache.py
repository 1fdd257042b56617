"""Apache httpd: access logs in the common and combined formats.

A line of a file names no host and no system: `host.name` is the shipper's, `host.os.type` is not set.
"""

from __future__ import annotations

from typing import Final

from tocsin.normalise import Claim, Product
from tocsin.normalise._access import COMBINED, SETS, access
from tocsin.normalise._columns import Stream, TableProduct, related

_PROGRAMS: Final = frozenset({"apache", "apache2", "httpd"})
_access = Stream(
    name="access",
    dataset="apache.access",
    prefix="apache.access",
    columns={},
    before=(access("apache.access"),),
    constants={"event.category": ["web"], "event.type": ["access"], "network.protocol": "http"},
    derive=(related(ips=("source.ip", "network.forwarded_ip"), user=("user.name",)),),
    sets=SETS,
    # nginx writes the same format: here the file's place or the syslog program must say that it is Apache's.
    claims=(
        Claim(program=_PROGRAMS, first=COMBINED),
        Claim(path="apache*/*access*", first=COMBINED),
        Claim(path="httpd/*access*", first=COMBINED),
    ),
)

PRODUCT: Product = TableProduct("apache", _access)
