"""``roles`` and ``rules`` of a service: what is read, and that every mistake is named by its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.access.rules import RoleRule
from gateway.config.file import ConfigError, ServiceConfig, load

SERVICE = """
[services.vault]
schema = "vault.capnp"
interface = "Vault"
endpoint = "tcp://127.0.0.1:5555"
"""


def read(folder: Path, text: str, **environment: str) -> ServiceConfig:
    (folder / "gateway.toml").write_text(SERVICE + text, "utf-8")
    (service,) = load(folder / "gateway.toml", environment).services
    return service


def test_rules_are_read_in_their_order(tmp_path: Path) -> None:
    service = read(
        tmp_path,
        """
        roles = ["staff", "staff"]
        [[services.vault.rules]]
        methods = ["wipe", "Session.*"]
        roles = ["admin"]
        [[services.vault.rules]]
        methods = ["seal"]
        roles = ["keeper", "owner"]
        """,
    )
    assert service.roles == ("staff",)
    assert service.rules == (RoleRule(("wipe", "Session.*"), ("admin",)), RoleRule(("seal",), ("keeper", "owner")))


def test_a_service_without_any_requires_nothing(tmp_path: Path) -> None:
    service = read(tmp_path, "")
    assert (service.roles, service.rules) == ((), ())


@pytest.mark.parametrize("role", ["a,b", " "])
def test_a_role_that_nobody_can_have_is_refused(tmp_path: Path, role: str) -> None:
    for text in (f'roles = ["{role}"]', f'[[services.vault.rules]]\nmethods = ["seal"]\nroles = ["staff", "{role}"]'):
        with pytest.raises(ConfigError, match=r"services\.vault\..*roles: a role has no comma and is not blank"):
            read(tmp_path, text)


def test_a_variable_has_the_roles_of_a_service(tmp_path: Path) -> None:
    assert read(tmp_path, "", CARA_GATEWAY_SERVICES_VAULT_ROLES="staff, night").roles == ("staff", "night")


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        ("roles = []", ["roles: expected one role at the least; who leaves the key out requires none"]),
        ('roles = "staff"', ['roles: expected a list of texts, not "staff"']),
        ('rules = "none"', ['rules: expected tables, each [[services.vault.rules]], not "none"']),
        ("rules = [1]", ["rules: expected tables, each [[services.vault.rules]], not [1]"]),
        ("[[services.vault.rules]]", ["rules[0].methods: is missing", "rules[0].roles: is missing"]),
        ('[[services.vault.rules]]\nmethods = ["a"]\nroles = []',
         ["rules[0].roles: expected one role at the least; who leaves the key out requires none"]),
        ('[[services.vault.rules]]\nmethods = []\nroles = ["a"]',
         ['rules[0].methods: expected one method at the least, such as "wipe", "Session.read" or "Session.*"']),
        ('[[services.vault.rules]]\nmethods = ["a"]\nroles = ["b"]\n[[services.vault.rules]]\nmethods = ["a"]\n'
         'role = ["b"]',
         ['rules[1].role: unknown key; did you mean "roles"?', "rules[1].roles: is missing"]),
    ],
)  # fmt: skip
def test_every_mistake_is_named_by_its_place(tmp_path: Path, text: str, complaints: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)
    assert list(raised.value.complaints) == [f"services.vault.{complaint}" for complaint in complaints]
