"""The other commands: what they print, and with which status they end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
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
    open_wide = '[gateway]\nhosts = ["*"]\ntrusted_proxies = ["0.0.0.0/0"]\n'
    write(start.folder, open_wide + CONFIG)
    done = run("check", "--config", "gateway.toml", folder=start.folder)
    assert (done.returncode, done.stdout) == (0, "gateway.toml: fine, 1 service\n")
    said = [line.removeprefix("gateway.toml: warning: ") for line in done.stderr.splitlines()]
    assert [sentence.partition(" ")[0] for sentence in said] == ["hosts", "trusted_proxies"]
    process, _ = start.gateway(open_wide + CONFIG)
    logged = [json.loads(line) for line in process.log.read_text().splitlines()]
    assert set(said) <= {line["message"] for line in logged if line["level"] == "warning"}


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


def test_a_call_that_fails_prints_the_problem_on_stderr(web: Web) -> None:
    done = run("call", "calculator.add", '{"first":"x"}', "--url", web.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr)["path"] == "$.first"


def test_a_call_without_a_gateway_is_a_problem_too() -> None:
    done = run("call", "calculator.add", "[]", "--url", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert json.loads(done.stderr)["code"] == "unavailable"


@pytest.mark.parametrize("arguments", [("call", "add"), ("call", "a.b", "--url", "nowhere"), ("nothing",)])
def test_a_wrong_command_line_ends_with_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_passwd_keeps_a_hash_and_refuses_what_cannot_be_a_user(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    assert run("passwd", str(file), "ann", stdin="secret\n").returncode == 0
    assert file.read_text().startswith("ann:scrypt$")
    assert "secret" not in file.read_text()
    refused = run("passwd", str(file), "a:b", stdin="secret\n")
    assert refused.returncode == 1
    assert "'a:b' cannot be a user" in refused.stderr
    assert run("passwd", str(file), "ann", stdin="\n").returncode == 2
