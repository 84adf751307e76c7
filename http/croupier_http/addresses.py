"""Client addresses: who sent a request, as far as that can be believed."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from croupier.settings import SettingsError

NOWHERE: Final = ""
"""The client where the peer has no IP address, as with a Unix socket: all of those are one."""


class Addresses:
    """Finds the client behind a chain of proxies, of which only the configured ones are believed."""

    def __init__(self, proxies: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        self._proxies = proxies

    @classmethod
    def parse(cls, text: str) -> "Addresses":
        """From `CROUPIER_TRUSTED_PROXIES`: addresses and networks, joined by commas. Raises SettingsError."""
        try:
            return cls([ip_network(part.strip()) for part in text.split(",") if part.strip()])
        except ValueError as error:
            raise SettingsError(f"CROUPIER_TRUSTED_PROXIES: {error}") from None

    def client(self, peer: str | None, forwarded_for: Sequence[str]) -> str:
        """Whom to count a request for: an IPv4 address, an IPv6 network of 64 bits, or `NOWHERE`.

        `peer` is the other end of the connection, `forwarded_for` the values of all headers `X-Forwarded-For`, in
        order. Each proxy appends whom it was called by, so that the right end is what our own proxies wrote and the
        left end is what the client made up: the walk goes from the right, and ends with the first hop that is no proxy
        of ours, or before the first entry that is no address.
        """
        hop = _parsed(peer or "")
        if hop is None:
            return NOWHERE
        earlier = ",".join(forwarded_for)
        while earlier and self._is_proxy(hop):
            earlier, _, entry = earlier.rpartition(",")
            before = _parsed(entry.strip())
            if before is None:
                break
            hop = before
        if isinstance(hop, IPv4Address):
            return str(hop)
        # Whoever has one address of such a network has all of them.
        return f"{IPv6Address(int(hop) >> 64 << 64)}/64"

    def _is_proxy(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._proxies)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address; one of IPv4 in the form of IPv6, as sockets for both show it, is the one of IPv4."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
