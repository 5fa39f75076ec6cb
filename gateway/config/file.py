"""What an operator may configure, and reading it from a TOML file, environment variables and flags.

Flags beat ``CARA_GATEWAY_…`` variables beat the file. All complaints are gathered before one error is raised. Opens
the file and files with passwords, nothing else: whether schemas compile is `gateway.catalogue_loading`'s business.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.access.rules import RoleRule
from gateway.config.auth import AuthConfig, read_auth
from gateway.config.connection import ConnectionConfig, NativeSource
from gateway.config.exposure import unguarded
from gateway.config.limits import Limits
from gateway.config.log import LogConfig, read_log
from gateway.config.rates import RatesConfig, read_rates
from gateway.config.reading import ConfigReading, FileText
from gateway.config.rules import ROLES, read_rules
from gateway.config.tls import TlsConfig, read_tls
from gateway.config.tracing import TracingConfig, read_tracing
from gateway.config.values import (
    BASE_PATH,
    COUNT,
    CURVE_KEY,
    DELAY,
    ENDPOINTS,
    FLAG,
    HOSTS,
    LEVELS,
    LISTEN,
    MODE,
    NETWORKS,
    ORIGINS,
    SECONDS,
    SECRET,
    TEXT,
    TEXTS,
    Listen,
    UnixListen,
    ValueKind,
    one_of,
    overlap,
)
from gateway.errors import quote
from gateway.json.codec.options import CodecOptions
from gateway.routes import check_service_name

DEFAULT_LISTEN: Final = Listen("127.0.0.1", 8080)
ENVIRONMENT_PREFIX: Final = "CARA_GATEWAY_"
MAX_SOCKET_PATH_BYTES: Final = 107
"""Of a unix socket on Linux, without the zero at its end (unix(7))."""

KEY_VARIABLE: Final = ENVIRONMENT_PREFIX + "KEY"
TOKEN_VARIABLE: Final = ENVIRONMENT_PREFIX + "TOKEN"
"""Where commands that ask a running gateway look for their own key or token."""
OTHER_VARIABLES: Final = (
    ENVIRONMENT_PREFIX + "CONFIG", ENVIRONMENT_PREFIX + "URL", ENVIRONMENT_PREFIX + "TOKEN_FILE", KEY_VARIABLE,
    TOKEN_VARIABLE,
)  # fmt: skip
"""Variables of the command line that are no key of the file."""

GATEWAY_TABLES: Final = ("limits", "auth", "tls", "rates", "log", "tracing")
"""The tables within ``[gateway]``, each with a module of its own that reads it."""

GATEWAY_KEYS: Final[Mapping[str, ValueKind]] = {
    "listen": LISTEN,
    "socket_mode": MODE,
    "admin": LISTEN,
    "hosts": HOSTS,
    "origins": ORIGINS,
    "trusted_proxies": NETWORKS,
    "base_path": BASE_PATH,
    "pages": TEXT,
    "import_path": TEXTS,
    "unknown_fields": one_of("reject", "ignore"),
    "int64": one_of("string", "number", "auto"),
    "data": one_of("array", "base64"),
    "expose_errors": FLAG,
    "websocket_compression": FLAG,
    "drain_delay_s": DELAY,
    "drain_s": DELAY,
}
"""The keys of ``[gateway]``; ``[gateway.limits]`` has the fields of `Limits`."""

SERVICE_KEYS: Final[Mapping[str, ValueKind]] = {
    "schema": TEXT,
    "interface": TEXT,
    "endpoint": ENDPOINTS,
    "protocol": one_of("pseud", "capnp"),
    "peer": TEXT,
    "security": one_of("noop", "plain", "curve"),
    "user_id": TEXT,
    "password": SECRET,
    "password_env": TEXT,
    "password_file": TEXT,
    "server_public_key": CURVE_KEY,
    "public_key": CURVE_KEY,
    "secret_key": CURVE_KEY,
    "timeout": SECONDS,
    "roles": ROLES,
}
"""The keys of ``[services.NAME]``, beside its ``rules``."""

LIMIT_KEYS: Final[Mapping[str, ValueKind]] = {
    bound.name: SECONDS if isinstance(bound.default, float) else COUNT for bound in dataclasses.fields(Limits)
} | {"max_depth": LEVELS}

_REQUIRED = ("schema", "interface", "endpoint")
_OF_PSEUD: Final = (
    "peer", "security", "user_id", "password", "password_env", "password_file", "server_public_key", "public_key",
    "secret_key",
)  # fmt: skip
"""Keys that mean nothing to a service that speaks native Cap'n Proto RPC, which knows no logins."""
_BELONGS_TO: Final = {
    "plain": ("user_id", "password", "password_env", "password_file"),
    "curve": ("server_public_key", "public_key", "secret_key"),
}


class ConfigError(Exception):
    """The configuration cannot be used.

    Attributes:
        complaints: one line each, ``key: message`` or ``file:line: message``.
    """

    def __init__(self, *complaints: str) -> None:
        super().__init__("\n".join(complaints))
        self.complaints = complaints


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """``[services.NAME]``. Secrets are left out of its repr.

    Attributes:
        schema: the file, as a path that holds from the current directory.
        endpoints: where it is served; any of them can be asked.
        protocol: ``"pseud"``, or ``"capnp"`` for native Cap'n Proto RPC, for which the gateway starts a bridge.
        import_path: with ``"capnp"``, where the schema's imports are.
        timeout_s: of a call that names none; None = the gateway's.
        roles: what every caller needs, and whoever is to see the service.
    """

    name: str
    schema: Path
    interface: str
    endpoints: tuple[str, ...]
    protocol: str = "pseud"
    import_path: tuple[Path, ...] = ()
    peer: str = "server"
    security: str = "noop"
    user_id: str | None = None
    password: str | None = field(default=None, repr=False)
    server_public_key: str | None = None
    public_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    timeout_s: float | None = None
    roles: tuple[str, ...] = ()
    rules: tuple[RoleRule, ...] = ()

    def connections(self, fingerprint: str = "") -> tuple[ConnectionConfig, ...]:
        """One for each endpoint. What is no part of them can change without a new connection.

        Args:
            fingerprint: of the schema; it is a part of them if there is a bridge, which is made for its schema.
        """
        native = None
        if self.protocol == "capnp":
            native = NativeSource(
                schema=self.schema, import_path=self.import_path, interface=self.interface, fingerprint=fingerprint
            )
        return tuple(
            ConnectionConfig(
                service=self.name,
                endpoint=endpoint,
                peer=self.peer,
                security=self.security,
                user_id=self.user_id,
                password=self.password,
                server_public_key=self.server_public_key,
                public_key=self.public_key,
                secret_key=self.secret_key,
                native=native,
            )
            for endpoint in self.endpoints
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Everything that an operator says, checked.

    Attributes:
        socket_mode: the permission bits of a unix socket.
        admin: where operators find `/admin` and `/metrics`; None: `/metrics` is where all else is, `/admin` nowhere.
        hosts: names and patterns; see `gateway.host_names.host_pattern`.
        trusted_proxies: addresses and networks, and ``unix:``.
        base_path: as `gateway.path_prefix.path_prefix` gives it.
        pages: the folder of the pages at ``/``; None: the console is there.
        rates: None if nobody's calls are counted.
        drain_delay_s: how long the gateway goes on after it was told to end, so that proxies notice.
        drain_s: how long what is under way may take then.
        tls: None if it speaks plain HTTP.
        files: what it was read from, the file and those that it names, but for schemas.
        auth: None if nothing is said of who may call.
        log: how much is logged, and how.
        tracing: None if nobody is told of traces.
    """

    listen: Listen | UnixListen = DEFAULT_LISTEN
    socket_mode: int = 0o660
    admin: Listen | UnixListen | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    base_path: str = ""
    pages: Path | None = None
    import_path: tuple[Path, ...] = ()
    codec: CodecOptions = field(default_factory=CodecOptions)
    expose_errors: bool = False
    websocket_compression: bool = False
    drain_delay_s: float = 1.0
    drain_s: float = 30.0
    limits: Limits = field(default_factory=Limits)
    rates: RatesConfig | None = None
    auth: AuthConfig | None = None
    tls: TlsConfig | None = None
    log: LogConfig = field(default_factory=LogConfig)
    tracing: TracingConfig | None = None
    services: tuple[ServiceConfig, ...] = ()
    files: tuple[Path, ...] = ()


def load(path: Path, environment: Mapping[str, str], flags: Mapping[str, str] | None = None) -> GatewayConfig:
    """Read a configuration.

    Args:
        path: the TOML file.
        environment: variables; those that begin with ``CARA_GATEWAY_`` override the file.
        flags: texts by key of ``[gateway]``; they override both.

    Raises:
        ConfigError: with every complaint there is.
    """
    return _Document(path, _parse(path), environment).config(flags or {})


def without_file(
    service: Mapping[str, Any], name: str, environment: Mapping[str, str], flags: Mapping[str, str] | None = None
) -> GatewayConfig:
    """Make a configuration with one service, as if a file in the current directory said nothing else.

    Args:
        service: the keys of ``[services.NAME]``.
        environment, flags: as `load` takes them.

    Raises:
        ConfigError: with every complaint there is.
    """
    document = {"services": {name: dict(service)}}
    return dataclasses.replace(_Document(Path("gateway.toml"), document, environment).config(flags or {}), files=())


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {(error.strerror or 'unknown error').lower()}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        reason, _, place = str(error).partition(" (at ")
        line = re.match(r"line (\d+)", place)
        where = f":{line[1]}" if line else ""
        raise ConfigError(f"{path}{where}: {reason}") from None


def _open(path: Path) -> FileText:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        return FileText(path, file.read().decode("utf-8"), mode)


def _has_redis() -> bool:
    """Whether the extra is there; nothing of it is loaded."""
    return importlib.util.find_spec("redis") is not None


class _Document:
    """A configuration while it is read."""

    def __init__(self, path: Path, document: dict[str, Any], environment: Mapping[str, str]) -> None:
        self._path = path
        self._document = document
        self._reading = ConfigReading(path.parent, environment, _open, ENVIRONMENT_PREFIX, OTHER_VARIABLES)

    def config(self, flags: Mapping[str, str]) -> GatewayConfig:
        document, reading = self._document, self._reading
        reading.known_keys("", document, ("gateway", "services"))
        gateway = reading.table("gateway", document.get("gateway", {}))
        tables = {
            name: reading.table(f"gateway.{name}", gateway.pop(name)) for name in GATEWAY_TABLES if name in gateway
        }
        services = reading.table("services", document.get("services", {}))
        if not services and not reading.complaints:
            reading.complain("services", "there must be at least one, [services.NAME]")
        given = reading.values("gateway", gateway, GATEWAY_KEYS, ENVIRONMENT_PREFIX, flags, GATEWAY_TABLES)
        bounds = reading.values("gateway.limits", tables.get("limits", {}), LIMIT_KEYS, ENVIRONMENT_PREFIX + "LIMITS_")
        auth = read_auth(reading, tables.get("auth"), ENVIRONMENT_PREFIX + "AUTH_")
        tls = read_tls(reading, tables.get("tls"), ENVIRONMENT_PREFIX + "TLS_")
        log = read_log(reading, tables.get("log", {}), ENVIRONMENT_PREFIX + "LOG_")
        tracing = read_tracing(reading, tables.get("tracing"), ENVIRONMENT_PREFIX + "TRACING_")
        if auth is not None and auth.proxy is not None and not given.get("trusted_proxies"):
            reading.complain("gateway.auth.proxy", "is believed from trusted_proxies only, and there are none")
        if auth is not None and auth.mtls is not None and (tls is None or tls.client_ca is None):
            reading.complain("gateway.auth.mtls", "needs [gateway.tls] client_ca, which says whose certificates count")
        rates = read_rates(reading, tables.get("rates"), ENVIRONMENT_PREFIX + "RATES_", has_redis=_has_redis())
        for key in ("listen", "admin"):
            if isinstance(given.get(key), UnixListen):
                given[key] = self._socket(key, given[key])
        admin, listen = given.get("admin"), given.get("listen", DEFAULT_LISTEN)
        if admin is not None and overlap(admin, listen):
            reading.complain("gateway.admin", f"is the address of listen too, {listen}; it needs one of its own")
        if auth is None:
            hosts, proxies = given.get("hosts", ()), given.get("trusted_proxies", ())
            if fault := unguarded(given.get("listen", DEFAULT_LISTEN), hosts, proxies):
                reading.complain("gateway.auth", fault)
        import_path = tuple(reading.folder / folder for folder in given.get("import_path", ()))
        if "pages" in given and not os.path.isdir(reading.folder / given["pages"]):
            reading.complain("gateway.pages", f"there is no folder {quote(given['pages'])}")
        configured = [self._service(name, settings, import_path) for name, settings in services.items()]
        reading.known_variables()
        if reading.complaints:
            raise ConfigError(*reading.complaints)
        choices = {name: given.pop(name) for name in ("unknown_fields", "int64", "data") if name in given}
        if "pages" in given:
            given["pages"] = reading.folder / given["pages"]
        if "import_path" in given:
            given["import_path"] = import_path
        checked_limits = Limits(**bounds)
        return GatewayConfig(
            **given,
            codec=CodecOptions(
                **choices, max_depth=checked_limits.max_depth, max_values=checked_limits.max_values
            ),
            limits=checked_limits,
            auth=auth,
            rates=rates,
            tls=tls,
            log=log,
            tracing=tracing,
            services=tuple(service for service in configured if service is not None),
            files=(self._path, *reading.files),
        )

    def _socket(self, key: str, listen: UnixListen) -> UnixListen:
        placed = UnixListen(self._reading.folder / listen.path)
        if len(str(placed.path).encode()) > MAX_SOCKET_PATH_BYTES:
            self._reading.complain(
                f"gateway.{key}",
                f"the path of a socket may have {MAX_SOCKET_PATH_BYTES} bytes, {quote(str(placed.path))} has more",
            )
        return placed

    def _service(self, name: str, settings: Any, import_path: tuple[Path, ...]) -> ServiceConfig | None:
        key, reading = f"services.{name}", self._reading
        try:
            check_service_name(name)
        except ValueError as error:
            reading.complain(key, str(error))
            return None
        prefix = f"{ENVIRONMENT_PREFIX}SERVICES_{name.upper()}_"
        before = len(reading.complaints)
        table = reading.table(key, settings)
        rules = read_rules(f"{key}.rules", table.pop("rules", []), reading.complain)
        given = reading.values(key, table, SERVICE_KEYS, prefix)
        for missing in (required for required in _REQUIRED if required not in given):
            if not any(line.startswith(f"{key}.{missing}:") for line in reading.complaints[before:]):
                reading.complain(f"{key}.{missing}", "is missing")
        if len(reading.complaints) > before:
            return None
        self._check_protocol(key, given)
        security = given.get("security", "noop")
        for plugin, names in _BELONGS_TO.items():
            for misplaced in (known for known in names if known in given and plugin != security):
                reading.complain(f"{key}.{misplaced}", f'belongs to security = "{plugin}", but it is "{security}"')
        password = self._password(key, given) if security == "plain" else None
        if security == "plain" and "user_id" not in given:
            reading.complain(f"{key}.user_id", 'is missing, security = "plain" needs it')
        if security == "curve":
            for missing in (known for known in _BELONGS_TO["curve"] if known not in given):
                reading.complain(f"{key}.{missing}", 'is missing, security = "curve" needs it')
        if len(reading.complaints) > before:
            return None
        kept = {word: given[word] for word in given if not word.startswith("password") and word != "timeout"}
        kept["schema"] = reading.folder / kept["schema"]
        kept["endpoints"] = kept.pop("endpoint")
        if kept.get("protocol") == "capnp":
            kept["import_path"] = import_path
            kept["endpoints"] = tuple(
                f"unix:{reading.folder / each.removeprefix('unix:')}" if each.startswith("unix:") else each
                for each in kept["endpoints"]
            )
        return ServiceConfig(name=name, password=password, timeout_s=given.get("timeout"), rules=rules, **kept)

    def _check_protocol(self, key: str, given: Mapping[str, Any]) -> None:
        """Complain of what the service's protocol does not know."""
        is_native = given.get("protocol") == "capnp"
        for misplaced in (known for known in _OF_PSEUD if known in given and is_native):
            self._reading.complain(f"{key}.{misplaced}", 'belongs to protocol = "pseud", but it is "capnp"')
        wrong, right = ("ipc:", "unix:PATH") if is_native else ("unix:", "ipc://PATH")
        for endpoint in given["endpoint"]:
            if endpoint.startswith(wrong):
                protocol = "capnp" if is_native else "pseud"
                expected = f'with protocol = "{protocol}" it is "tcp://HOST:PORT" or "{right}"'
                self._reading.complain(f"{key}.endpoint", f"{quote(endpoint)} is of another protocol: {expected}")
            elif is_native and len(endpoint.encode()) > MAX_SOCKET_PATH_BYTES and endpoint.startswith("unix:"):
                self._reading.complain(
                    f"{key}.endpoint", f"the path of a socket may have {MAX_SOCKET_PATH_BYTES} bytes"
                )

    def _password(self, key: str, given: Mapping[str, Any]) -> str | None:
        ways = [way for way in ("password", "password_env", "password_file") if way in given]
        if len(ways) != 1:
            wrong = "is missing" if not ways else "is given more than once"
            self._reading.complain(f"{key}.password", f"{wrong}: give one of password, password_env and password_file")
            return None
        value: str = given[ways[0]]
        if ways[0] == "password":
            return value
        if ways[0] == "password_env":
            return self._reading.variable(f"{key}.password_env", value)
        file = self._reading.file(f"{key}.password_file", value)
        # Editors end a file with a line break, which nobody means.
        return None if file is None else file.text.rstrip("\r\n")
