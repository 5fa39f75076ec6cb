"""What authentication needs of the world: an issuer's keys over HTTP, threads for passwords, somebody else's code."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from typing import Final

from tornado.httpclient import HTTPError, HTTPRequest
from tornado.iostream import UnsatisfiableReadError
from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError, SimpleAsyncHTTPClient

from cara_pseud.login_desk import LoginDesk
from cara_pseud.logins import Verdict
from cara_pseud.password_entries import PasswordEntry
from cara_pseud.passwords import PasswordTable
from gateway.access.credentials import Authenticator
from gateway.access.issuer_keys import FETCH_S
from gateway.config.file import ConfigError
from gateway.config.jwk_set import MAX_SET_BYTES

_LOG: Final = logging.getLogger(__name__)
_MAX_HEAD_BYTES: Final = 65_536


class AuthOutside:
    """See `gateway.access.authentication.Outside`. Belongs to the running loop, which it never blocks."""

    def __init__(self) -> None:
        self._client: SimpleAsyncHTTPClient | None = None
        self._passwords = PasswordTable({})
        self._desk: LoginDesk | None = None

    async def fetch(self, url: str) -> bytes:
        """Get the text at a URL."""
        if self._client is None:
            # A client of our own: bounds and connections are not to be shared with whoever else uses Tornado's.
            self._client = SimpleAsyncHTTPClient(
                force_instance=True, max_body_size=MAX_SET_BYTES, max_header_size=_MAX_HEAD_BYTES
            )
        request = HTTPRequest(
            url,
            headers={"Accept": "application/jwk-set+json, application/json"},
            # Who may redirect may say whose tokens are believed: an open redirect at the issuer would be enough.
            follow_redirects=False,
            # A small text that is compressed could be a huge one.
            decompress_response=False,
            connect_timeout=FETCH_S,
            request_timeout=FETCH_S,
        )
        try:
            response = await self._client.fetch(request)
        except HTTPTimeoutError:
            raise ValueError(f"{url} did not answer within {FETCH_S:g} s") from None
        except (HTTPStreamClosedError, UnsatisfiableReadError):
            raise ValueError(f"{url} closed the connection, or sent more than {MAX_SET_BYTES} bytes") from None
        except HTTPError as error:
            if 300 <= error.code < 400:
                raise ValueError(f"{url} redirects, which is not followed; jwks has to name the place itself") from None
            raise ValueError(f"{url} answers with status {error.code}") from None
        except (OSError, ValueError) as error:
            raise ValueError(f"{url} cannot be reached: {str(error).lower()}") from None
        return response.body

    def set_passwords(self, entries: Mapping[bytes, PasswordEntry]) -> None:
        """Check passwords against these from now on."""
        self._passwords.replace(entries)

    def check_password(self, address: bytes, user: bytes, password: bytes, answer: Callable[[Verdict], None]) -> None:
        """Have a password checked on a thread."""
        if self._desk is None:
            self._desk = LoginDesk(self._passwords)
        self._desk.ask(address, user, password, answer)

    def plugin(self, name: str) -> Authenticator:
        """Call a factory for its authenticator."""
        return load_plugin(name)

    def close(self) -> None:
        """Give up what is under way."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._desk is not None:
            self._desk.close()
            self._desk = None


def load_plugin(name: str) -> Authenticator:
    """Call a factory for its authenticator.

    Args:
        name: ``package.module:factory``.

    Raises:
        ConfigError: it cannot be imported or called, or gives something else.
    """
    key = "gateway.auth.plugin"
    module_name, _, factory_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        detail = f"{key}: {module_name} cannot be imported: {error}"
        if isinstance(error, ModuleNotFoundError) and module_name.startswith(error.name or "."):
            detail += "; it is looked for among what is installed and in the folders of PYTHONPATH"
        raise ConfigError(detail) from None
    except (Exception, SystemExit) as error:
        _LOG.exception("importing %s failed", module_name)
        raise ConfigError(f"{key}: {module_name} cannot be imported: it raised {type(error).__name__}") from None
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        what = "has no" if factory is None else "is no function:"
        raise ConfigError(f"{key}: {module_name} {what} {factory_name}")
    try:
        made: Authenticator = factory()
    except (Exception, SystemExit) as error:
        _LOG.exception("%s failed", name)
        raise ConfigError(f"{key}: {name}() raised {type(error).__name__}") from None
    if not callable(getattr(made, "authenticate", None)):
        shown = type(made).__name__
        raise ConfigError(f"{key}: {name}() gives a {shown}, expected an object with async authenticate(credentials)")
    return made
