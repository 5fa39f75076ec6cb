"""What a configuration opens wider than its author may have meant, as sentences for a log. Forbids nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network

from gateway.config.values import Listen, UnixListen
from gateway.host_names import ANY_HOST


def exposures(
    listen: Listen | UnixListen,
    hosts: Collection[str],
    trusted_proxies: Collection[str],
    admin: Listen | UnixListen | None = None,
) -> Iterator[str]:
    """Yield a sentence for each setting that lets in more than it seems to, or nobody."""
    if isinstance(listen, Listen) and not _is_loopback(listen.host) and not hosts:
        yield (
            f"it listens at {listen} for other machines, but hosts names none of the names that they use: whoever asks "
            "for another name than that address is refused with 421"
        )
    if isinstance(admin, Listen) and not _is_loopback(admin.host):
        yield (
            f"admin is at {admin} for other machines: nobody is asked there who they are, and whoever reaches it may "
            "end sessions; let no network reach it but that of operators"
        )
    if ANY_HOST in hosts:
        yield (
            'hosts = ["*"] answers to every name, so that a page of another site can point its own name here and read '
            "what it likes (DNS rebinding); name those that are used"
        )
    if _has_everybody(trusted_proxies):
        yield (
            f"trusted_proxies has {', '.join(trusted_proxies)}, which is everybody: each client can say which address, "
            "scheme and host it has; name the proxies alone"
        )


def _has_everybody(proxies: Collection[str]) -> bool:
    networks = [ip_network(text) for text in proxies if text != "unix:"]
    # Two halves are the whole.
    v4 = collapse_addresses(network for network in networks if isinstance(network, IPv4Network))
    v6 = collapse_addresses(network for network in networks if isinstance(network, IPv6Network))
    return any(network.prefixlen == 0 for network in v4) or any(network.prefixlen == 0 for network in v6)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
