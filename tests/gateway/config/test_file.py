"""The configuration: what is read from where, and that every mistake is named by its key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.config.auth import AUTH_KEYS
from gateway.config.file import (
    GATEWAY_KEYS,
    LIMIT_KEYS,
    SERVICE_KEYS,
    ConfigError,
    GatewayConfig,
    load,
)
from gateway.config.tls import TLS_KEYS
from gateway.config.values import Listen, UnixListen

SERVICE = """
[services.calculator]
schema = "schemas/calculator.capnp"
interface = "Calculator"
endpoint = "tcp://127.0.0.1:5555"
"""
PLAIN = SERVICE + 'security = "plain"\nuser_id = "gateway"\n'
KEY = "a" * 40
OPEN = {"CARA_GATEWAY_AUTH_REQUIRED": "false"}
"""Some of what is read here lets others in than this machine's users, which has to be meant; see test_exposure.py."""


def read(
    folder: Path, text: str, environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> GatewayConfig:
    path = folder / "gateway.toml"
    path.write_text(text, "utf-8")
    return load(path, OPEN | (environment or {}), flags)


def complaints(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        read(folder, text, environment)
    return raised.value.complaints


def test_a_service_may_have_several_endpoints(tmp_path: Path) -> None:
    text = SERVICE.replace('"tcp://127.0.0.1:5555"', '["tcp://a:1", "ipc:///run/b"]')
    (service,) = read(tmp_path, text).services
    assert service.endpoints == ("tcp://a:1", "ipc:///run/b")
    assert [connection.endpoint for connection in service.connections()] == ["tcp://a:1", "ipc:///run/b"]
    (service,) = read(tmp_path, text, {"CARA_GATEWAY_SERVICES_CALCULATOR_ENDPOINT": "tcp://c:1, tcp://d:2"}).services
    assert service.endpoints == ("tcp://c:1", "tcp://d:2")


def test_the_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        [gateway]
        listen = "127.0.0.1:8080"
        hosts = ["API.example.org"]
        origins = ["https://app.example.org"]
        import_path = ["schemas"]
        unknown_fields = "ignore"
        int64 = "auto"
        data = "base64"
        expose_errors = true
        [gateway.limits]
        max_message_bytes = 2_097_152
        idle_session_s = 60

        [services.calculator]
        schema = "schemas/calculator.capnp"
        interface = "Calculator"
        endpoint = "tcp://127.0.0.1:5555"
        peer = "calc"
        security = "plain"
        user_id = "gateway"
        password = "secret"
        timeout = 5.0
        """,
    )
    assert config.listen == Listen("127.0.0.1", 8080)
    assert config.hosts == ("api.example.org",)
    assert config.origins == ("https://app.example.org",)
    assert config.import_path == (tmp_path / "schemas",)
    assert (config.codec.unknown_fields, config.codec.int64, config.codec.data) == ("ignore", "auto", "base64")
    assert config.expose_errors
    assert config.limits.max_message_bytes == 2_097_152
    assert config.limits.idle_session_s == 60.0
    (service,) = config.services
    assert service.name == "calculator"
    assert service.schema == tmp_path / "schemas/calculator.capnp"
    assert (service.peer, service.security, service.user_id) == ("calc", "plain", "gateway")
    assert service.password == "secret"
    assert service.timeout_s == 5.0


def test_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    config = read(tmp_path, SERVICE)
    assert config.listen == Listen("127.0.0.1", 8080)
    assert not config.expose_errors
    (service,) = config.services
    assert (service.peer, service.security, service.password, service.timeout_s) == ("server", "noop", None, None)


def test_flags_beat_variables_and_variables_beat_the_file(tmp_path: Path) -> None:
    text = '[gateway]\nlisten = "127.0.0.1:1"\n' + SERVICE
    environment = {"CARA_GATEWAY_LISTEN": "127.0.0.1:2"}
    assert read(tmp_path, text).listen.port == 1
    assert read(tmp_path, text, environment).listen.port == 2
    assert read(tmp_path, text, environment, {"listen": "127.0.0.1:3"}).listen.port == 3


def test_variables_set_every_kind_of_key(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        SERVICE,
        {
            "CARA_GATEWAY_HOSTS": "a.example, b.example",
            "CARA_GATEWAY_EXPOSE_ERRORS": "true",
            "CARA_GATEWAY_LIMITS_MAX_DEPTH": "32",
            "CARA_GATEWAY_SERVICES_CALCULATOR_ENDPOINT": "tcp://other:1",
            "CARA_GATEWAY_SERVICES_CALCULATOR_TIMEOUT": "2.5",
            "CARA_GATEWAY_INT64": "",
        },
    )
    assert config.hosts == ("a.example", "b.example")
    assert config.expose_errors
    assert config.limits.max_depth == config.codec.max_depth == 32
    assert (config.services[0].endpoints, config.services[0].timeout_s) == (("tcp://other:1",), 2.5)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ('"127.0.0.1:8080"', "127.0.0.1", 8080),
        ('"localhost:0"', "localhost", 0),
        ('"[::1]:8080"', "::1", 8080),
        ('":9000"', "127.0.0.1", 9000),
        ('"9000"', "127.0.0.1", 9000),
        ("9000", "127.0.0.1", 9000),
        ('"0.0.0.0:80"', "0.0.0.0", 80),
    ],
)
def test_listen_has_several_forms(tmp_path: Path, text: str, host: str, port: int) -> None:
    assert read(tmp_path, f"[gateway]\nlisten = {text}\n{SERVICE}").listen == Listen(host, port)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("unix:/run/gateway.sock", "/run/gateway.sock"),
        ("unix:///run/gateway.sock", "/run/gateway.sock"),
        ("unix:run/gateway.sock", "{folder}/run/gateway.sock"),
        ("unix:a b:80", "{folder}/a b:80"),
    ],
)
def test_a_unix_socket_is_a_path_from_the_file_s_folder(tmp_path: Path, text: str, path: str) -> None:
    config = read(tmp_path, f'[gateway]\nlisten = "{text}"\n{SERVICE}')
    assert config.listen == UnixListen(Path(path.format(folder=tmp_path)))
    assert config.socket_mode == 0o660


@pytest.mark.parametrize("text", ["unix:", "unix:/run/", "unix://host/run", "unix:/a\\u0000b"])
def test_a_unix_socket_without_a_path_is_none(tmp_path: Path, text: str) -> None:
    (line,) = complaints(tmp_path, f'[gateway]\nlisten = "{text}"\n{SERVICE}')
    assert line.startswith('gateway.listen: expected "unix:" and the path of a socket, like "unix:/run/gateway.sock"')


def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    long = "/" + "x" * 107
    (line,) = complaints(tmp_path, f'[gateway]\nlisten = "unix:{long}"\n{SERVICE}')
    assert line.startswith('gateway.listen: the path of a socket may have 107 bytes, "/xxx')
    assert read(tmp_path, f'[gateway]\nlisten = "unix:{long[:-1]}"\n{SERVICE}')


@pytest.mark.parametrize(("text", "mode"), [("0o600", 0o600), ('"660"', 0o660), ('"0o666"', 0o666), ('"0777"', 0o777)])
def test_permission_bits_are_octal(tmp_path: Path, text: str, mode: int) -> None:
    assert read(tmp_path, f"[gateway]\nsocket_mode = {text}\n{SERVICE}").socket_mode == mode


@pytest.mark.parametrize("text", ["660", "0", "true", '"rw-rw----"', '"888"', '"1777"', "-1", '""'])
def test_what_are_no_permission_bits_is_refused(tmp_path: Path, text: str) -> None:
    (line,) = complaints(tmp_path, f"[gateway]\nsocket_mode = {text}\n{SERVICE}")
    assert line.startswith('gateway.socket_mode: expected permission bits like 0o660 or "660", not ')


def test_proxies_are_networks(tmp_path: Path) -> None:
    text = '[gateway]\ntrusted_proxies = ["10.0.0.0/8", "192.0.2.1", "fd00::/8", "::1", "unix:"]\n' + SERVICE
    assert read(tmp_path, text).trusted_proxies == ("10.0.0.0/8", "192.0.2.1/32", "fd00::/8", "::1/128", "unix:")
    variable = {"CARA_GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8, unix:"}
    assert read(tmp_path, SERVICE, variable).trusted_proxies == ("10.0.0.0/8", "unix:")


@pytest.mark.parametrize(
    ("given", "prefix"),
    [("/gw", "/gw"), ("/gw/", "/gw"), ("/", ""), ("", ""), ("/a/b-c", "/a/b-c"), ("/apis", "/apis")],
)
def test_a_base_path_has_no_slash_at_its_end(tmp_path: Path, given: str, prefix: str) -> None:
    assert read(tmp_path, f'[gateway]\nbase_path = "{given}"\n{SERVICE}').base_path == prefix


def test_hosts_and_origins_have_the_form_in_which_browsers_write_them(tmp_path: Path) -> None:
    text = (
        '[gateway]\nhosts = ["*.Example.org", "*", "::1", "[2001:DB8::1]", "bücher.example"]\n'
        'origins = ["https://App.example:443", "http://a.example:8080", "https://bücher.example:8443"]\n'
    )
    config = read(tmp_path, text + SERVICE)
    assert config.hosts == ("*.example.org", "*", "[::1]", "[2001:db8::1]", "xn--bcher-kva.example")
    assert config.origins == (
        "https://app.example", "http://a.example:8080", "https://xn--bcher-kva.example:8443"
    )  # fmt: skip


def test_pages_are_a_folder_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "file").write_text("")
    assert read(tmp_path, f'[gateway]\npages = "public"\n{SERVICE}').pages == tmp_path / "public"
    assert read(tmp_path, SERVICE, {"CARA_GATEWAY_PAGES": str(tmp_path)}).pages == tmp_path
    for wrong in ("nothing", "file"):
        assert complaints(tmp_path, f'[gateway]\npages = "{wrong}"\n{SERVICE}') == (
            f'gateway.pages: there is no folder "{wrong}"',
        )


NO_HOST = 'expected host names without scheme and port, like "api.example.org", not '
NO_NETWORK = 'expected addresses and networks like "10.0.0.0/8", or "unix:" for whoever uses a unix socket, not '
NO_PATH = 'expected a path like "/gw", of letters, digits, ".", "_", "~", "@", "-" and escapes, not '


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (
            "hosts",
            '["api.*"]',
            f'{NO_HOST}"api.*": a "*" stands for all names, or at the beginning of "*.example.org" for all below '
            "that one",
        ),
        ("hosts", '["api.example.org:80"]', f'{NO_HOST}"api.example.org:80"'),
        (
            "origins",
            '["https://*.example.org"]',
            'no origin has a "*", so "https://*.example.org" would match none; each has to be named',
        ),
        ("trusted_proxies", '["proxy"]', f'{NO_NETWORK}"proxy"'),
        ("trusted_proxies", '["*"]', f'{NO_NETWORK}"*"'),
        (
            "trusted_proxies",
            '["10.0.0.1/8"]',
            '"10.0.0.1/8" is an address within a network; did you mean "10.0.0.0/8"?',
        ),
        ("base_path", '"gw"', f'{NO_PATH}"gw"'),
        ("base_path", '"/gw;x"', f'{NO_PATH}"/gw;x"'),
        ("base_path", "1", f"{NO_PATH}1"),
        (
            "base_path",
            '"/api/v1"',
            '"/api/v1" begins like the gateway\'s own paths, which could not be told from those below it',
        ),
    ],
)
def test_what_would_let_in_nobody_or_anybody_is_refused(tmp_path: Path, key: str, value: str, expected: str) -> None:
    assert complaints(tmp_path, f"[gateway]\n{key} = {value}\n{SERVICE}") == (f"gateway.{key}: {expected}",)


@pytest.mark.parametrize("text", ['"127.0.0.1"', '"::1:80"', '"127.0.0.1:65536"', '""', "true", '"http://localhost:80"'])
def test_a_listen_that_is_none_says_which_forms_there_are(tmp_path: Path, text: str) -> None:
    (line,) = complaints(tmp_path, f"[gateway]\nlisten = {text}\n{SERVICE}")
    assert line.startswith('gateway.listen: expected "HOST:PORT", "[IPv6]:PORT" or a port up to 65535, not ')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[gatway]\n" + SERVICE, 'gatway: unknown key; did you mean "gateway"?'),
        ("[gateway]\nlistn = 1\n" + SERVICE, 'gateway.listn: unknown key; did you mean "listen"?'),
        (
            "[gateway.limits]\nmax_mesage_bytes = 1\n" + SERVICE,
            'gateway.limits.max_mesage_bytes: unknown key; did you mean "max_message_bytes"?',
        ),
        (SERVICE + "endpont = 'x'\n", 'services.calculator.endpont: unknown key; did you mean "endpoint"?'),
        (
            '[gateway]\nint64 = "text"\n' + SERVICE,
            'gateway.int64: expected "string", "number" or "auto", not "text"',
        ),
        (
            SERVICE + 'security = "none"\n',
            'services.calculator.security: expected "noop", "plain" or "curve", not "none"',
        ),
        ("[gateway]\nexpose_errors = 1\n" + SERVICE, "gateway.expose_errors: expected true or false, not 1"),
        (
            "[gateway.limits]\nmax_depth = 0\n" + SERVICE,
            "gateway.limits.max_depth: expected a whole number from 1 to 250, not 0",
        ),
        (
            "[gateway.limits]\nmax_depth = 100000\n" + SERVICE,
            "gateway.limits.max_depth: expected a whole number from 1 to 250, not 100000",
        ),
        (
            "[gateway.limits]\nmax_handles_per_session = 0\n" + SERVICE,
            "gateway.limits.max_handles_per_session: expected a whole number from 1 on, not 0",
        ),
        # What the functions of the system, or a float, would refuse in their own words.
        (
            SERVICE + f"timeout = 1{400 * '0'}\n",
            f"services.calculator.timeout: expected a number of seconds above 0, not 1{38 * '0'}…",
        ),
        (
            f"[gateway]\ndrain_s = 1{400 * '0'}\n" + SERVICE,
            f"gateway.drain_s: expected a number of seconds from 0 on, not 1{38 * '0'}…",
        ),
        (
            '[gateway.auth]\nkeys = "a\\u0000b"\n' + SERVICE,
            'gateway.auth.keys: expected a text, not "a\ufffdb"',
        ),
        (
            '[gateway.auth.jwt]\nissuer = "a"\naudience = "b"\njwks = "a\\u0000b"\n' + SERVICE,
            'gateway.auth.jwt.jwks: expected a URL or the path of a file, not "a\ufffdb"',
        ),
        (
            '[gateway]\nhosts = ["a\\u0000b"]\n' + SERVICE,
            "gateway.hosts: expected a list of texts, not ['a\\x00b']",
        ),
        (f'[gateway]\npages = "{300 * "x"}"\n' + SERVICE, f'gateway.pages: there is no folder "{39 * "x"}…"'),
        (
            SERVICE + "timeout = -1\n",
            "services.calculator.timeout: expected a number of seconds above 0, not -1",
        ),
        (
            SERVICE.replace("tcp://127.0.0.1:5555", "127.0.0.1:5555"),
            'services.calculator.endpoint: expected "tcp://HOST:PORT", "ipc://PATH" or "unix:PATH", '
            'not "127.0.0.1:5555"',
        ),
        (
            SERVICE.replace('"tcp://127.0.0.1:5555"', "[]"),
            'services.calculator.endpoint: expected "tcp://HOST:PORT", "ipc://PATH" or "unix:PATH", '
            "or a list of at least one, not []",
        ),
        (
            SERVICE.replace('"tcp://127.0.0.1:5555"', '["tcp://a:1", "b:2"]'),
            'services.calculator.endpoint: expected "tcp://HOST:PORT", "ipc://PATH" or "unix:PATH", not "b:2"',
        ),
        (
            SERVICE.replace('"tcp://127.0.0.1:5555"', '["tcp://a:1", "tcp://a:1"]'),
            'services.calculator.endpoint: "tcp://a:1" stands there twice; each endpoint is to be named once',
        ),
        (
            SERVICE.replace('"tcp://127.0.0.1:5555"', '["tcp://a:65535", "tcp://a:65536"]'),
            'services.calculator.endpoint: the port of "tcp://a:65536" is larger than 65535',
        ),
        (SERVICE.replace('interface = "Calculator"', ""), "services.calculator.interface: is missing"),
        ("", "services: there must be at least one, [services.NAME]"),
        ("services = 1\n", "services: expected a table, [services]"),
        (
            '[gateway]\norigins = ["app.example.org"]\n' + SERVICE,
            'gateway.origins: expected origins like "https://app.example.org", not "app.example.org"',
        ),
        (
            '[gateway]\nhosts = ["https://api.example.org"]\n' + SERVICE,
            "gateway.hosts: expected host names without scheme and port, like \"api.example.org\", "
            'not "https://api.example.org"',
        ),
        (
            SERVICE + 'password = "x"\n',
            'services.calculator.password: belongs to security = "plain", but it is "noop"',
        ),
        (
            PLAIN,
            "services.calculator.password: is missing: give one of password, password_env and password_file",
        ),
        (
            PLAIN + 'password = "x"\npassword_env = "X"\n',
            "services.calculator.password: is given more than once: "
            "give one of password, password_env and password_file",
        ),
        (
            PLAIN + 'password_env = "NOT_SET"\n',
            'services.calculator.password_env: the environment variable "NOT_SET" is not set',
        ),
        (
            PLAIN + 'password_file = "nowhere"\n',
            'services.calculator.password_file: "nowhere" cannot be read: no such file or directory',
        ),
        (
            SERVICE + f'security = "curve"\npublic_key = "{KEY}"\nsecret_key = "{KEY}"\n',
            'services.calculator.server_public_key: is missing, security = "curve" needs it',
        ),
    ],
)
def test_a_mistake_is_named_by_its_key(tmp_path: Path, text: str, expected: str) -> None:
    assert complaints(tmp_path, text) == (expected,)


@pytest.mark.parametrize("name", ["handles", "session", "events", "callbacks", "admin", "rpc", "api", "Big", "a-b"])
def test_reserved_and_malformed_service_names_are_refused(tmp_path: Path, name: str) -> None:
    (line,) = complaints(tmp_path, SERVICE.replace("calculator]", f'"{name}"]'))
    assert line.startswith(f"services.{name}: ")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    lines = complaints(tmp_path, "[gateway]\nlisten = true\nint46 = 1\n" + SERVICE.replace("schema", "shema"))
    assert [line.partition(":")[0] for line in lines] == [
        "gateway.int46",
        "gateway.listen",
        "services.calculator.shema",
        "services.calculator.schema",
    ]


def test_a_wrong_variable_is_named_itself(tmp_path: Path) -> None:
    assert complaints(tmp_path, SERVICE, {"CARA_GATEWAY_LIMITS_MAX_DEPTH": "deep"}) == (
        'CARA_GATEWAY_LIMITS_MAX_DEPTH: expected a whole number from 1 to 250, not "deep"',
    )
    (line,) = complaints(tmp_path, SERVICE, {"CARA_GATEWAY_LISTN": "1"})
    assert line == 'CARA_GATEWAY_LISTN: no key has this variable; did you mean "CARA_GATEWAY_LISTEN"?'


def test_variables_of_kubernetes_and_of_the_command_line_are_no_mistakes(tmp_path: Path) -> None:
    others = ("SERVICE_HOST", "SERVICE_PORT", "PORT", "PORT_8080_TCP", "PORT_8080_TCP_ADDR", "CONFIG", "URL")
    read(tmp_path, SERVICE, {f"CARA_GATEWAY_{name}": "x" for name in others})


def test_a_password_comes_from_the_file_a_variable_or_another_file(tmp_path: Path) -> None:
    (tmp_path / "password.txt").write_text("from file\n", "utf-8")
    ways = {
        'password = "as is"\n': "as is",
        'password_env = "SECRET"\n': "from variable",
        'password_file = "password.txt"\n': "from file",
    }
    for line, expected in ways.items():
        assert read(tmp_path, PLAIN + line, {"SECRET": "from variable"}).services[0].password == expected


def test_secrets_are_never_printed(tmp_path: Path) -> None:
    assert "hunter2" not in repr(read(tmp_path, PLAIN + 'password = "hunter2"\n'))
    keys = f'security = "curve"\nserver_public_key = "{KEY}"\npublic_key = "{KEY}"\nsecret_key = "{"s" * 40}"\n'
    assert "s" * 40 not in repr(read(tmp_path, SERVICE + keys))
    for wrong in ('password = ["hunter2"]\n', 'secret_key = "hunter2"\n'):
        assert "hunter2" not in str(complaints(tmp_path, PLAIN + wrong))


def test_a_file_that_is_no_toml_is_named_with_the_line(tmp_path: Path) -> None:
    (line,) = complaints(tmp_path, "[gateway]\nlisten = \n")
    assert line.startswith(f"{tmp_path / 'gateway.toml'}:2: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "none.toml", {})
    assert raised.value.complaints == (f"{tmp_path / 'none.toml'}: cannot be read: no such file or directory",)


def test_every_key_has_a_variable(tmp_path: Path) -> None:
    names = [f"CARA_GATEWAY_{key.upper()}" for key in GATEWAY_KEYS]
    names += [f"CARA_GATEWAY_LIMITS_{key.upper()}" for key in LIMIT_KEYS]
    names += [f"CARA_GATEWAY_AUTH_{key.upper()}" for key in AUTH_KEYS]
    names += [f"CARA_GATEWAY_TLS_{key.upper()}" for key in TLS_KEYS]
    names += [f"CARA_GATEWAY_SERVICES_CALCULATOR_{key.upper()}" for key in SERVICE_KEYS]
    # One name that is no key's makes the reading fail, so that all complaints are seen.
    lines = complaints(tmp_path, SERVICE, dict.fromkeys([*names, "CARA_GATEWAY_INT65"], "?"))
    assert [line for line in lines if "no key has this variable" in line] == [
        'CARA_GATEWAY_INT65: no key has this variable; did you mean "CARA_GATEWAY_INT64"?'
    ]


@pytest.mark.parametrize(
    ("listen", "admin"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("unix:a.sock", "unix:a.sock"),
        ("unix:a.sock", "unix:///a.sock"),
        # In other words, and where one of them takes all addresses.
        ("127.0.0.1:8080", "localhost:8080"),
        ("LOCALHOST:8080", "[::1]:8080"),
        ("[0:0::1]:8080", "[::1]:8080"),
        ("127.0.0.1:8080", "0.0.0.0:8080"),
        ("[::]:8080", "[::1]:8080"),
    ],
)
def test_operators_need_an_address_of_their_own(tmp_path: Path, listen: str, admin: str) -> None:
    admin = admin.replace("///", f"//{tmp_path}/")
    (said,) = complaints(tmp_path, f'[gateway]\nlisten = "{listen}"\nadmin = "{admin}"\n{SERVICE}')
    assert said.startswith("gateway.admin: is the address of listen too, ")
    assert said.endswith("; it needs one of its own")


def test_operators_address_is_of_the_same_forms(tmp_path: Path) -> None:
    config = read(tmp_path, f'[gateway]\nadmin = "unix:a.sock"\n{SERVICE}')
    assert config.admin == UnixListen(tmp_path / "a.sock")
    assert read(tmp_path, SERVICE, {"CARA_GATEWAY_ADMIN": "9090"}).admin == Listen("127.0.0.1", 9090)
    for other in ("127.0.0.2:8080", "[::1]:8080", "127.0.0.1:8081", "unix:b.sock"):
        assert read(tmp_path, f'[gateway]\nlisten = "127.0.0.1:8080"\nadmin = "{other}"\n{SERVICE}').admin is not None
    # Two that the system chooses are two.
    both = read(tmp_path, f'[gateway]\nlisten = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n{SERVICE}')
    assert both.admin == Listen("127.0.0.1", 0)
    assert read(tmp_path, SERVICE).admin is None


NATIVE = """
[gateway]
import_path = ["schemas"]
[services.mining]
protocol = "capnp"
schema = "mining.capnp"
interface = "Mining"
endpoint = {endpoint}
"""


def test_a_native_service_is_reached_by_a_bridge_made_for_its_schema(tmp_path: Path) -> None:
    (service,) = read(tmp_path, NATIVE.format(endpoint='["unix:node.sock", "tcp://b:2"]')).services
    assert service.endpoints == (f"unix:{tmp_path / 'node.sock'}", "tcp://b:2")
    first, second = service.connections("abc")
    assert (first.native, second.native) == (second.native, first.native)
    assert first.native is not None
    assert (first.native.fingerprint, first.native.import_path) == ("abc", (tmp_path / "schemas",))
    assert service.connections("abc") == service.connections("abc") != service.connections("other")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (NATIVE.format(endpoint='"ipc://x"'), "services.mining.endpoint: \"ipc://x\" is of another protocol"),
        (NATIVE.format(endpoint='"unix:/x"') + 'peer = "p"\n', 'services.mining.peer: belongs to protocol = "pseud"'),
        (NATIVE.format(endpoint='"unix:/x"').replace('"capnp"', '"grpc"'), "services.mining.protocol: expected"),
        (NATIVE.format(endpoint=f'"unix:/{"x" * 120}"'), "services.mining.endpoint: the path of a socket may have 107"),
        (
            NATIVE.format(endpoint='"unix:/x"').replace('protocol = "capnp"', ""),
            'services.mining.endpoint: "unix:/x" is of another protocol: with protocol = "pseud" it is',
        ),
    ],
)
def test_what_does_not_belong_to_the_protocol_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (said,) = complaints(tmp_path, text)
    assert said.startswith(complaint)
