"""The other commands: what they print, and with which status they end."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Start, Web

ROOT = Path(__file__).resolve().parent.parent.parent

SCHEMA = """\
@0xb3cfbe8a4d8c1d57;
interface Thing {
  name @0 () -> (name :Text);
}
struct Plain {
}
"""
CONFIG = """\
[services.thing]
schema = "thing.capnp"
interface = "Thing"
endpoint = "tcp://127.0.0.1:1"
"""


def run(
    *arguments: str, folder: Path = ROOT, stdin: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        env={"PYTHONPATH": str(ROOT), "PATH": "", **(environment or {})},
        check=False,
    )


def write(folder: Path, config: str = CONFIG, schema: str | None = SCHEMA) -> None:
    (folder / "gateway.toml").write_text(config, "utf-8")
    if schema is not None:
        (folder / "thing.capnp").write_text(schema, "utf-8")


def test_what_is_open_to_more_than_it_seems_is_said_by_check_and_at_the_start(start: Start) -> None:
    open_wide = '[gateway]\nhosts = ["*"]\ntrusted_proxies = ["0.0.0.0/0"]\n[gateway.auth]\nrequired = false\n'
    write(start.folder, open_wide + CONFIG)
    done = run("check", "--config", "gateway.toml", folder=start.folder)
    assert (done.returncode, done.stdout) == (0, "gateway.toml: fine, 1 service\n")
    said = [line.removeprefix("gateway.toml: warning: ") for line in done.stderr.splitlines()]
    assert [sentence.partition(" ")[0] for sentence in said] == ["[gateway.auth]", "hosts", "trusted_proxies"]
    process, _ = start.gateway(open_wide + CONFIG)
    logged = [json.loads(line) for line in process.log.read_text().splitlines()]
    assert set(said) <= {line["message"] for line in logged if line["level"] == "warning"}


def test_who_lets_others_in_without_saying_whom_is_refused_by_check_and_serve(tmp_path: Path) -> None:
    write(tmp_path)
    for command, *flags in (("check",), ("serve", "--listen", "0.0.0.0:0")):
        write(tmp_path, ("" if flags else '[gateway]\nlisten = "0.0.0.0:8080"\n') + CONFIG)
        done = run(command, "--config", "gateway.toml", *flags, folder=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("gateway.auth: is missing, and others than this machine's users reach the")


def test_check_says_what_is_wrong_with_credentials(tmp_path: Path) -> None:
    write(tmp_path, '[gateway.auth]\nkeys = "keys.txt"\nplugin = "nowhere:make"\n' + CONFIG)
    keys = tmp_path / "keys.txt"
    keys.write_text("alice:secret\n")
    done = run("check", "--config", "gateway.toml", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("keys.txt:1: expected name:role,role:sha256$HASH")
    keys.write_text("")
    keys.chmod(0o644)
    done = run("check", "--config", "gateway.toml", folder=tmp_path)
    said = (
        "gateway.auth.plugin: nowhere cannot be imported: No module named 'nowhere'; it is looked for among what is "
        "installed and in the folders of PYTHONPATH\n"
    )
    assert (done.returncode, done.stderr) == (2, said)
    write(tmp_path, '[gateway.auth]\nkeys = "keys.txt"\n' + CONFIG)
    done = run("check", "--config", "gateway.toml", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "gateway.toml: fine, 1 service\n")
    assert done.stderr.startswith("gateway.toml: warning: keys.txt may be read or written by others than its owner")


def test_a_good_configuration_is_fine(tmp_path: Path) -> None:
    write(tmp_path)
    done = run("check", "--config", "gateway.toml", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "gateway.toml: fine, 1 service\n", "")


@pytest.mark.parametrize(
    ("config", "schema", "expected"),
    [
        (
            CONFIG.replace("interface", "interfaec"),
            SCHEMA,
            'services.thing.interfaec: unknown key; did you mean "interface"?\nservices.thing.interface: is missing\n',
        ),
        (CONFIG, None, "services.thing.schema: there is no file thing.capnp\n"),
        (CONFIG, SCHEMA.replace("-> (name", "-> name"), "thing.capnp:3: "),
        (CONFIG, SCHEMA.replace(":Text", ":Txet"), "thing.capnp:3: "),
        (
            CONFIG.replace('"Thing"', '"Thnig"'),
            SCHEMA,
            'services.thing.interface: thing.capnp has no interface "Thnig"; did you mean "Thing"?\n',
        ),
        (CONFIG.replace('"Thing"', '"Plain"'), SCHEMA, 'services.thing.interface: "Plain" is no interface\n'),
        ("[gateway\n", SCHEMA, "gateway.toml:1: "),
    ],
    ids=["typo in a key", "missing schema", "syntax error", "unknown type", "unknown interface", "a struct", "no TOML"],
)
def test_a_mistake_is_named_and_the_status_is_2(
    tmp_path: Path, config: str, schema: str | None, expected: str
) -> None:
    write(tmp_path, config, schema)
    done = run("check", "--config", "gateway.toml", folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(expected)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "routes"])
def test_other_commands_name_mistakes_too(tmp_path: Path, command: str) -> None:
    write(tmp_path, CONFIG, SCHEMA.replace(":Text", ":Txet"))
    done = run(command, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("thing.capnp:3: ")


def test_two_schemas_with_mistakes_are_both_named(tmp_path: Path) -> None:
    write(tmp_path, CONFIG + CONFIG.replace("thing", "other"), SCHEMA.replace(":Text", ":Txet"))
    (tmp_path / "other.capnp").write_text(SCHEMA.replace("@0 ()", "@1 ()"), "utf-8")
    done = run("check", "--config", "gateway.toml", folder=tmp_path)
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["thing.capnp", "other.capnp"]


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    done = run("check", folder=tmp_path)
    assert (done.returncode, done.stderr) == (2, "gateway.toml: cannot be read: no such file or directory\n")


def test_the_file_can_be_given_by_a_variable(tmp_path: Path) -> None:
    write(tmp_path)
    done = run("check", environment={"CARA_GATEWAY_CONFIG": str(tmp_path / "gateway.toml")})
    assert done.returncode == 0


def test_a_wrong_flag_is_a_mistake_of_its_own(tmp_path: Path) -> None:
    write(tmp_path)
    done = run("serve", "--listen", "nowhere", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith('--listen: expected "HOST:PORT"')
    assert run("demo", "--listen", "nowhere").returncode == 2


def test_clashing_routes_are_named(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(CONFIG, "utf-8")
    clash = '$Gateway.http(verb = "get", path = "/names")'
    (tmp_path / "thing.capnp").write_text(
        "@0xb3cfbe8a4d8c1d57;\n"
        'using Gateway = import "/gateway.capnp";\n'
        f"interface Thing {{ a @0 () -> () {clash}; b @1 () -> () {clash}; }}\n",
        "utf-8",
    )
    done = run("check", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("routes: $http of thing.b: thing.a takes GET /names already")


GUARDED = """\
@0xb3cfbe8a4d8c1d57;
using Gateway = import "/gateway.capnp";
interface Thing {
  name @0 () -> (name :Text);
  erase @1 () -> () $Gateway.requires(["admin"]);
}
"""


@pytest.mark.parametrize("command", ["check", "serve", "routes", "openapi", "types"])
def test_roles_that_nobody_checks_are_refused_by_every_command(tmp_path: Path, command: str) -> None:
    write(tmp_path, CONFIG + CONFIG.replace("services.thing", "services.other"), GUARDED)
    done = run(command, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith('thing.capnp:5: the method erase has $Gateway.requires(["admin"]), but ')
    assert done.stderr.count("\n") == 1, "two services with one schema have one fault"


def test_two_methods_of_one_json_name_are_named(tmp_path: Path) -> None:
    renamed = 'b @1 () -> () $import "/capnp/compat/json.capnp".name("a");'
    write(tmp_path, schema=f"@0xb3cfbe8a4d8c1d57; interface Thing {{ a @0 () -> (); {renamed} }}")
    done = run("check", folder=tmp_path)
    assert (done.returncode, done.stderr) == (2, "thing.capnp:Thing: two methods have the JSON name 'a'\n")


def test_routes_are_listed() -> None:
    config = f"""
        [services.book]
        schema = "{ROOT}/schemas/addressbook.capnp"
        interface = "AddressBook"
        endpoint = "tcp://127.0.0.1:1"
    """
    done = run("routes", "--config", "/dev/stdin", stdin=config)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["POST", "/api/book/add", "book.add"] in rows
    assert ["GET,", "POST", "/api/book/find", "book.find"] in rows
    assert ["GET", "/people/{name}", "book.find"] in rows


def test_a_call_prints_the_result(web: Web) -> None:
    done = run("call", "calculator.add", '{"first":2,"second":5}', "--url", web.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"result":7}\n', "")
    assert run("call", "calculator.add", "-", "--url", web.url, stdin="[2,5]").stdout == '{"result":7}\n'


def test_a_call_ends_the_session_that_its_answer_opened_and_no_other(web: Web) -> None:
    def sessions() -> str:
        return next(line for line in web.get("/metrics").text.splitlines() if line.startswith("cara_gateway_sessions "))

    own = {"Session-Id": web.post("/api/session").headers["session-id"]}
    before = sessions()
    done = run("call", "calculator.accumulator", "[41]", "--url", web.url)
    assert "$handle" in done.stdout
    assert sessions() == before
    assert run("call", "calculator.accumulator", "[41]", "--url", web.url, "--session", own["Session-Id"]).stdout
    assert web.get("/api/session", **own).json["handles"]
    web.request("DELETE", "/api/session", None, own)


def test_a_call_on_a_handle(web: Web) -> None:
    made = web.post("/api/calculator/accumulator", [41])
    handle, session = made.json["accumulator"]["$handle"], made.headers["session-id"]
    done = run("call", f"@{handle}.add", "[1]", "--session", session, environment={"CARA_GATEWAY_URL": web.url})
    assert done.stdout == '{"total":"42"}\n'
    by_header = run("call", f"@{handle}.add", "[1]", "-H", f"Session-Id: {session}", "--url", web.url)
    assert by_header.stdout == '{"total":"43"}\n'
    assert web.get("/api/session", **{"Session-Id": session}).status == 200, "a session that was named lives on"


def test_a_call_ends_the_session_that_it_opened(web: Web) -> None:
    done = run("call", "calculator.accumulator", "[41]", "--url", web.url)
    assert done.returncode == 0
    handle = json.loads(done.stdout)["accumulator"]["$handle"]
    assert "--keep-session" in done.stderr
    sessions = re.search(r"^cara_gateway_sessions (\d+)", web.get("/metrics").text, re.MULTILINE)
    assert sessions is not None
    before = int(sessions[1])
    kept = run("call", "calculator.accumulator", "[41]", "--url", web.url, "--keep-session")
    word, _, session = kept.stderr.strip().partition(": ")
    assert word == "session"
    assert f"cara_gateway_sessions {before + 1}" in web.get("/metrics").text
    handle = json.loads(kept.stdout)["accumulator"]["$handle"]
    going_on = run("call", f"@{handle}.add", "[1]", "--url", web.url, "--session", session)
    assert (going_on.stdout, going_on.stderr) == ('{"total":"42"}\n', "")
    assert web.request("DELETE", "/api/session", headers={"Session-Id": session}).status == 204


def test_parameters_come_from_where_they_are(web: Web, tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text('{"first": 2, "second": 5}', "utf-8")
    for arguments, stdin in (
        (("-d", "[2,5]"), ""), (("-d", f"@{tmp_path / 'params.json'}"), ""), (("-d", "@-"), "[2,5]"), (("-",), "[2,5]"),
    ):  # fmt: skip
        done = run("call", "--url", web.url, "calculator.add", *arguments, stdin=stdin)
        assert (done.stdout, done.stderr) == ('{"result":7}\n', ""), arguments


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "localhost:{}", "http://127.0.0.1:{}", "http://127.0.0.1:{}/"])
def test_a_gateway_is_named_as_people_do(web: Web, form: str) -> None:
    assert run("list", "--url", form.format(web.port)).stdout == "calculator\naddressbook\n"


def test_services_and_methods_are_listed(web: Web) -> None:
    assert run("list", "--url", web.url).stdout.split() == ["calculator", "addressbook"]
    listed = run("list", "calculator", "--url", web.url)
    assert listed.stdout.split() == [f"calculator.{name}" for name in ("add", "divide", "accumulator", "map")]
    unknown = run("list", "calculater", "--url", web.url)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert 'did you mean "calculator"?' in json.loads(unknown.stderr)["detail"]


def test_a_service_a_method_and_a_type_are_described(web: Web) -> None:
    service = run("describe", "addressbook", "--url", web.url).stdout
    assert service.startswith("# The service addressbook.\ninterface AddressBook {\n")
    assert "  find(name :Text) -> (person :Person) $readOnly;\n  # Finds a person by the whole name." in service
    method = run("describe", "calculator.add", "--url", web.url).stdout
    assert method.startswith("add(first :Int32, second :Int32) -> (result :Int32);\n# Adds two numbers.")
    struct = run("describe", "addressbook.Person", "--url", web.url).stdout
    assert struct.startswith("struct Person {\n  # Someone in the address book.\n  name :Text;\n")
    assert run("describe", "addressbook.Change", "--url", web.url).stdout.startswith("enum Change {")
    everything = run("describe", "--url", web.url).stdout
    assert "# The service addressbook." in everything
    assert "# The service calculator." in everything
    as_json = run("describe", "calculator", "--json", "--url", web.url).stdout
    assert json.loads(as_json)["interface"] == "Calculator"
    unknown = run("describe", "calculator.ad", "--url", web.url)
    assert (unknown.returncode, json.loads(unknown.stderr)["code"]) == (1, "not_found")


def test_an_object_is_described(web: Web) -> None:
    made = web.post("/api/calculator/accumulator", [41])
    handle, session = made.json["accumulator"]["$handle"], made.headers["session-id"]
    done = run("describe", f"@{handle}", "--session", session, "--url", web.url)
    assert "add(value :Int64) -> (total :Int64);" in done.stdout


def test_headers_are_sent(web: Web) -> None:
    refused = run("list", "--url", web.url, "-H", "Host: evil.example")
    assert (refused.returncode, json.loads(refused.stderr)["code"]) == (1, "misdirected")
    asked = run("call", "calculator.nope", "--url", web.url, "-H", "X-Request-Id: mine", "-H", "X-Other: a: b")
    assert json.loads(asked.stderr)["request_id"] == "mine"


def test_a_time_out_is_told_to_the_gateway_and_bounds_the_wait_for_it() -> None:
    heard: list[tuple[str, str | None, bytes]] = []

    class Gateway(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.path, self.headers["Request-Timeout"], body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Gateway) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        done = run("call", "a/b.c d", "[1]", "--timeout", "1.5", "--url", f"http://127.0.0.1:{server.server_port}/gw")
        answering.join()
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")
    assert heard == [("/gw/api/a%2Fb/c%20d", "1.5", b"[1]")]


def test_a_call_that_fails_prints_the_problem_on_stderr(web: Web) -> None:
    done = run("call", "calculator.add", '{"first":"x"}', "--url", web.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr)["path"] == "$.first"


def test_a_call_without_a_gateway_is_a_problem_too() -> None:
    done = run("call", "calculator.add", "[]", "--url", "http://127.0.0.1:1")
    assert done.returncode == 1
    problem = json.loads(done.stderr)
    assert problem["code"] == "unavailable"
    assert problem["detail"] == "no gateway answers at http://127.0.0.1:1: connection refused"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("call", "add"), "expected SERVICE.METHOD or @HANDLE.METHOD, not 'add'"),
        (("call", "a."), "expected SERVICE.METHOD"),
        (("call", "a.b", "--url", "nowhere"), "expected HOST:PORT, http://HOST:PORT"),
        (("call", "a.b", "--url", "ftp://x:1"), "expected HOST:PORT"),
        (("call", "a.b", "--url", "http://x:1", "--insecure"), "options for TLS go with https://"),
        (("call", "a.b", "[]", "-d", "[]"), "given twice"),
        (("call", "a.b", "-d", "@/nowhere"), "/nowhere cannot be read: no such file or directory"),
        (("call", "a.b", "-H", "no colon"), "expected 'Name: value'"),
        (("call", "a.b", "-H", "A: 1", "-H", "a: 2"), "a is given twice"),
        (("call", "@h.b"), "needs --session"),
        (("call", "a.b", "--timeout", "0"), "0.0 is not in the range x>0"),
        (("call", "a.b", "--url", "x:1", "--cacert", "/nowhere"), "/nowhere: no such file or directory"),
        (("call", "a.b", "--url", "x:1", "--key", "/nowhere"), "a key needs its certificate"),
        (("list", "--url", "x:y"), "expected HOST:PORT"),
        (("nothing",), "No such command"),
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: tuple[str, ...], told: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_passwd_keeps_a_hash_and_refuses_what_cannot_be_a_user(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    assert run("passwd", str(file), "ann", stdin="secret\n").returncode == 0
    assert file.read_text().startswith("ann:scrypt$")
    assert "secret" not in file.read_text()
    assert run("passwd", str(file), "ann", "--role", "staff", "--role", "admin", stdin="other\n").returncode == 0
    assert file.read_text().endswith("=:admin,staff\n")
    # Whoever changes a password keeps the roles.
    assert run("passwd", str(file), "ann", stdin="third\n").returncode == 0
    assert file.read_text().endswith("=:admin,staff\n")
    assert "'a,b' cannot be a role" in run("passwd", str(file), "ann", "--role", "a,b", stdin="x\n").stderr
    refused = run("passwd", str(file), "a:b", stdin="secret\n")
    assert refused.returncode == 2
    assert "'a:b' cannot be a user" in refused.stderr
    assert run("passwd", str(file), "ann", stdin="\n").returncode == 2


@pytest.fixture
def headers_seen() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server's URL, and the headers of the requests that it gets."""
    seen: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"services":[]}')

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("arguments", "environment", "sent"),
    [
        ((), {}, {}),
        ((), {"CARA_GATEWAY_KEY": "cara_k"}, {"x-api-key": "cara_k"}),
        ((), {"CARA_GATEWAY_TOKEN": "a.b.c"}, {"authorization": "Bearer a.b.c"}),
        (("--token-file", "token"), {"CARA_GATEWAY_KEY": "cara_k"}, {"authorization": "Bearer of-the-file"}),
        ((), {"CARA_GATEWAY_TOKEN_FILE": "token"}, {"authorization": "Bearer of-the-file"}),
        (("-H", "authorization: Basic x"), {"CARA_GATEWAY_KEY": "cara_k"}, {"authorization": "Basic x"}),
        (("-H", "X-API-Key: y"), {"CARA_GATEWAY_TOKEN": "a.b.c"}, {"x-api-key": "y"}),
    ],
)
def test_a_key_or_token_comes_from_a_file_or_the_environment(
    tmp_path: Path, headers_seen: tuple[str, list[dict[str, str]]],
    arguments: tuple[str, ...], environment: dict[str, str], sent: dict[str, str],
) -> None:  # fmt: skip
    url, seen = headers_seen
    (tmp_path / "token").write_text("of-the-file\n")
    done = run("list", "--url", url, *arguments, folder=tmp_path, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    (headers,) = seen
    assert {name: headers[name] for name in ("authorization", "x-api-key") if name in headers} == sent


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("--token-file", "nowhere"), {}, "nowhere: no such file or directory"),
        (("--token-file", "two"), {}, "--token-file has no key and no token: expected one line"),
        (("--token-file", "token", "-H", "X-API-Key: y"), {}, "it is said twice who we are: by -H and by --token-file"),
        ((), {"CARA_GATEWAY_KEY": "a", "CARA_GATEWAY_TOKEN": "b"}, "both CARA_GATEWAY_KEY and CARA_GATEWAY_TOKEN"),
        ((), {"CARA_GATEWAY_KEY": "hush hush"}, "CARA_GATEWAY_KEY has no key and no token"),
    ],
)
def test_who_says_badly_who_it_is_is_told(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    (tmp_path / "token").write_text("of-the-file")
    (tmp_path / "two").write_text("hush\nhush\n")
    done = run("list", *arguments, folder=tmp_path, environment=environment)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "hush" not in done.stderr
