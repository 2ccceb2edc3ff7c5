"""vnetdns in a test: a private DNS server that answers by the virtual network that asks.

`Server` runs the program `vnetdns` on a free port of the loopback address, and asks it as a client of any network. With pytest,
the fixture `vnetdns` is such a server.
"""

from ._message import Answer, Record
from ._program import NotFound, find_program
from ._server import Fault, Refused, Server, VnetdnsError

__all__ = ["Answer", "Fault", "NotFound", "Record", "Refused", "Server", "VnetdnsError", "find_program"]
