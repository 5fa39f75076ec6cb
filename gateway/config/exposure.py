"""What a configuration opens wider than its author may have meant, as sentences for a log or a complaint."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from urllib.parse import urlsplit

from gateway.config.auth import AuthConfig
from gateway.config.values import Listen, UnixListen
from gateway.host_names import ANY_HOST


def reach(listen: Listen | UnixListen, hosts: Collection[str], trusted_proxies: Collection[str]) -> str | None:
    """By which setting others than people at this machine reach the gateway; None if they do not.

    A proxy in front makes loopback the internet. Names by which a gateway is asked say that there is one, and what
    connects to a unix socket is one mostly.
    """
    if isinstance(listen, UnixListen) or not _is_loopback(listen.host):
        return f"listen = {listen}"
    if trusted_proxies:
        return f"trusted_proxies has {', '.join(trusted_proxies)}"
    return f"hosts has {', '.join(hosts)}" if hosts else None


def unguarded(listen: Listen | UnixListen, hosts: Collection[str], trusted_proxies: Collection[str]) -> str | None:
    """What is wrong with a configuration that has no ``[gateway.auth]``; None if nothing."""
    setting = reach(listen, hosts, trusted_proxies)
    if setting is None:
        return None
    return (
        f"is missing, and others than this machine's users reach the gateway ({setting}): say who may call, or that "
        "everybody may, by required = false"
    )


def exposures(
    listen: Listen | UnixListen,
    hosts: Collection[str],
    trusted_proxies: Collection[str],
    auth: AuthConfig | None = None,
    admin: Listen | UnixListen | None = None,
) -> Iterator[str]:
    """Yield a sentence for each setting that lets in more than it seems to, or nobody."""
    if auth is not None:
        yield from _exposures_of_auth(auth, reach(listen, hosts, trusted_proxies))
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


def _exposures_of_auth(auth: AuthConfig, setting: str | None) -> Iterator[str]:
    if not auth.required and setting is not None:
        yield (
            f"[gateway.auth] has required = false, and others than this machine's users reach the gateway ({setting}): "
            "whoever does may call all that needs no role"
        )
    for file in auth.open_files:
        yield f"{file} may be read or written by others than its owner: chmod 600 keeps its secrets"
    url = None if auth.jwt is None else auth.jwt.url
    if url is not None and url.startswith("http://") and not _is_loopback(urlsplit(url).hostname or ""):
        yield (
            f"jwks = {url} is fetched without TLS: whoever is on the way can say whose tokens are believed; use https"
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
