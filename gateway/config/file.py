"""What an operator may configure, and reading it from a TOML file, environment variables and flags.

Flags beat ``CARA_GATEWAY_…`` variables beat the file. All complaints are gathered before one error is raised. Opens
the file and files with passwords, nothing else: whether schemas compile is `gateway.catalogue_loading`'s business.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.config.limits import Limits
from gateway.config.rates import RATES_KEYS, RatesConfig
from gateway.config.values import (
    BASE_PATH,
    COUNT,
    CURVE_KEY,
    ENDPOINT,
    FLAG,
    HOSTS,
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
)
from gateway.errors import nearest, quote
from gateway.json.codec.options import CodecOptions
from gateway.routes import check_service_name

DEFAULT_LISTEN: Final = Listen("127.0.0.1", 8080)
ENVIRONMENT_PREFIX: Final = "CARA_GATEWAY_"
MAX_SOCKET_PATH_BYTES: Final = 107
"""Of a unix socket on Linux, without the zero at its end (unix(7))."""

OTHER_VARIABLES: Final = (ENVIRONMENT_PREFIX + "CONFIG", ENVIRONMENT_PREFIX + "URL")
"""Variables of the command line that are no key of the file."""

# What Kubernetes sets in every container beside a Service named cara-gateway.
_KUBERNETES: Final = re.compile(r"CARA_GATEWAY_(?:SERVICE_(?:HOST|PORT\w*)|PORT(?:_\d+_(?:TCP|UDP|SCTP)\w*)?)")

GATEWAY_KEYS: Final[Mapping[str, ValueKind]] = {
    "listen": LISTEN,
    "socket_mode": MODE,
    "hosts": HOSTS,
    "origins": ORIGINS,
    "trusted_proxies": NETWORKS,
    "base_path": BASE_PATH,
    "import_path": TEXTS,
    "unknown_fields": one_of("reject", "ignore"),
    "int64": one_of("string", "number", "auto"),
    "data": one_of("array", "base64"),
    "expose_errors": FLAG,
    "websocket_compression": FLAG,
}
"""The keys of ``[gateway]``; ``[gateway.limits]`` has the fields of `Limits`."""

SERVICE_KEYS: Final[Mapping[str, ValueKind]] = {
    "schema": TEXT,
    "interface": TEXT,
    "endpoint": ENDPOINT,
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
}
"""The keys of ``[services.NAME]``."""

LIMIT_KEYS: Final[Mapping[str, ValueKind]] = {
    bound.name: SECONDS if isinstance(bound.default, float) else COUNT for bound in dataclasses.fields(Limits)
}

_TABLES: Final = ("limits", "rates")
"""The tables within ``[gateway]``."""
_REQUIRED = ("schema", "interface", "endpoint")
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
        timeout_s: of a call that names none; None = the gateway's.
    """

    name: str
    schema: Path
    interface: str
    endpoint: str
    peer: str = "server"
    security: str = "noop"
    user_id: str | None = None
    password: str | None = field(default=None, repr=False)
    server_public_key: str | None = None
    public_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Everything that an operator says, checked.

    Attributes:
        socket_mode: the permission bits of a unix socket.
        hosts: names and patterns; see `gateway.host_names.host_pattern`.
        trusted_proxies: addresses and networks, and ``unix:``.
        base_path: as `gateway.path_prefix.path_prefix` gives it.
        rates: None if nobody's calls are counted.
    """

    listen: Listen | UnixListen = DEFAULT_LISTEN
    socket_mode: int = 0o660
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    base_path: str = ""
    import_path: tuple[Path, ...] = ()
    codec: CodecOptions = field(default_factory=CodecOptions)
    expose_errors: bool = False
    websocket_compression: bool = False
    limits: Limits = field(default_factory=Limits)
    rates: RatesConfig | None = None
    services: tuple[ServiceConfig, ...] = ()


def load(path: Path, environment: Mapping[str, str], flags: Mapping[str, str] | None = None) -> GatewayConfig:
    """Read a configuration.

    Args:
        path: the TOML file.
        environment: variables; those that begin with ``CARA_GATEWAY_`` override the file.
        flags: texts by key of ``[gateway]``; they override both.

    Raises:
        ConfigError: with every complaint there is.
    """
    return _Reading(path, _parse(path), environment).config(flags or {})


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


class _Reading:
    """One pass over a file and an environment; gathers the complaints."""

    def __init__(self, path: Path, document: dict[str, Any], environment: Mapping[str, str]) -> None:
        self._folder = path.parent
        self._document = document
        self._environment = environment
        self._complaints: list[str] = []
        self._variables = set(OTHER_VARIABLES)

    def config(self, flags: Mapping[str, str]) -> GatewayConfig:
        document = self._document
        self._known_keys("", document, ("gateway", "services"))
        gateway = self._table("gateway", document.get("gateway", {}))
        limits = self._table("gateway.limits", gateway.pop("limits", {}))
        rates = self._table("gateway.rates", gateway.pop("rates", {}))
        services = self._table("services", document.get("services", {}))
        if not services and not self._complaints:
            self._complain("services", "there must be at least one, [services.NAME]")
        given = self._values("gateway", gateway, GATEWAY_KEYS, ENVIRONMENT_PREFIX, flags)
        bounds = self._values("gateway.limits", limits, LIMIT_KEYS, ENVIRONMENT_PREFIX + "LIMITS_")
        given["rates"] = self._rates(rates)
        listen = given.get("listen")
        if isinstance(listen, UnixListen):
            given["listen"] = listen = UnixListen(self._folder / listen.path)
            if len(str(listen.path).encode()) > MAX_SOCKET_PATH_BYTES:
                self._complain(
                    "gateway.listen",
                    f"the path of a socket may have {MAX_SOCKET_PATH_BYTES} bytes, {quote(str(listen.path))} has more",
                )
        configured = [self._service(name, settings) for name, settings in services.items()]
        self._known_variables()
        if self._complaints:
            raise ConfigError(*self._complaints)
        choices = {name: given.pop(name) for name in ("unknown_fields", "int64", "data") if name in given}
        if "import_path" in given:
            given["import_path"] = tuple(self._folder / folder for folder in given["import_path"])
        checked_limits = Limits(**bounds)
        return GatewayConfig(
            **given,
            codec=CodecOptions(
                **choices, max_depth=checked_limits.max_depth, max_values=checked_limits.max_values
            ),
            limits=checked_limits,
            services=tuple(service for service in configured if service is not None),
        )

    def _rates(self, settings: Mapping[str, Any]) -> RatesConfig | None:
        given = self._values("gateway.rates", settings, RATES_KEYS, ENVIRONMENT_PREFIX + "RATES_")
        rates = RatesConfig(**given)
        if rates.is_shared and importlib.util.find_spec("redis") is None:
            self._complain("gateway.rates.storage", "Redis needs an extra: pip install 'cara-gateway[redis]'")
        if rates.is_shared and rates.per_principal is rates.per_address is None:
            self._complain("gateway.rates.storage", "counts nothing without per_principal or per_address")
        return None if rates.per_principal is rates.per_address is None else rates

    def _service(self, name: str, settings: Any) -> ServiceConfig | None:
        key = f"services.{name}"
        try:
            check_service_name(name)
        except ValueError as error:
            self._complain(key, str(error))
            return None
        prefix = f"{ENVIRONMENT_PREFIX}SERVICES_{name.upper()}_"
        before = len(self._complaints)
        given = self._values(key, self._table(key, settings), SERVICE_KEYS, prefix)
        for missing in (required for required in _REQUIRED if required not in given):
            if not any(line.startswith(f"{key}.{missing}:") for line in self._complaints[before:]):
                self._complain(f"{key}.{missing}", "is missing")
        if len(self._complaints) > before:
            return None
        security = given.get("security", "noop")
        for plugin, names in _BELONGS_TO.items():
            for misplaced in (known for known in names if known in given and plugin != security):
                self._complain(f"{key}.{misplaced}", f'belongs to security = "{plugin}", but it is "{security}"')
        password = self._password(key, given) if security == "plain" else None
        if security == "plain" and "user_id" not in given:
            self._complain(f"{key}.user_id", 'is missing, security = "plain" needs it')
        if security == "curve":
            for missing in (known for known in _BELONGS_TO["curve"] if known not in given):
                self._complain(f"{key}.{missing}", 'is missing, security = "curve" needs it')
        if len(self._complaints) > before:
            return None
        kept = {word: given[word] for word in given if not word.startswith("password") and word != "timeout"}
        kept["schema"] = self._folder / kept["schema"]
        return ServiceConfig(name=name, password=password, timeout_s=given.get("timeout"), **kept)

    def _password(self, key: str, given: Mapping[str, Any]) -> str | None:
        ways = [way for way in ("password", "password_env", "password_file") if way in given]
        if len(ways) != 1:
            wrong = "is missing" if not ways else "is given more than once"
            self._complain(f"{key}.password", f"{wrong}: give one of password, password_env and password_file")
            return None
        value: str = given[ways[0]]
        if ways[0] == "password":
            return value
        if ways[0] == "password_env":
            password = self._environment.get(value)
            if not password:
                self._complain(f"{key}.password_env", f"the environment variable {quote(value)} is not set")
            return password
        try:
            # Editors end a file with a line break, which nobody means.
            return (self._folder / value).read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
            self._complain(f"{key}.password_file", f"{quote(value)} cannot be read: {reason.lower()}")
            return None

    def _values(
        self,
        key: str,
        settings: Mapping[str, Any],
        kinds: Mapping[str, ValueKind],
        prefix: str,
        flags: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        self._known_keys(key + ".", settings, kinds, extra=_TABLES if key == "gateway" else ())
        values = {}
        for name, kind in kinds.items():
            variable = prefix + name.upper()
            self._variables.add(variable)
            try:
                if flags and name in flags:
                    place = f"--{name.replace('_', '-')}"
                    values[name] = kind.read(kind.parse(flags[name]))
                elif self._environment.get(variable):
                    place = variable
                    values[name] = kind.read(kind.parse(self._environment[variable]))
                elif name in settings:
                    place = f"{key}.{name}"
                    values[name] = kind.read(settings[name])
            except ValueError as error:
                self._complain(place, str(error))
        return values

    def _table(self, key: str, value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return dict(value)
        self._complain(key, f"expected a table, [{key}]")
        return {}

    def _known_keys(self, key: str, settings: Iterable[str], known: Iterable[str], extra: Sequence[str] = ()) -> None:
        names = [*known, *extra]
        for name in settings:
            if name not in names:
                self._complain(key + name, f"unknown key{nearest(name, names)}")

    def _known_variables(self) -> None:
        for name in self._environment:
            if name.startswith(ENVIRONMENT_PREFIX) and name not in self._variables and not _KUBERNETES.fullmatch(name):
                self._complain(name, f"no key has this variable{nearest(name, self._variables)}")

    def _complain(self, key: str, message: str) -> None:
        self._complaints.append(f"{key}: {message}")
