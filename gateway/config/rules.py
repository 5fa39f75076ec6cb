"""``roles`` and ``[[services.NAME.rules]]``: which roles callers of a service need, as an operator says it.

Whether there are such methods is not known here, as no schema is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.access.rules import RoleRule
from gateway.config.values import TEXTS, ValueKind, shown
from gateway.errors import nearest


def _roles(value: Any) -> tuple[str, ...]:
    roles: tuple[str, ...] = TEXTS.read(value)
    if not roles:
        # An empty list might be meant as nobody, and would be everybody.
        raise ValueError("expected one role at the least; who leaves the key out requires none")
    for role in roles:
        # Roles in files and headers stand with commas between, so that nobody could have it, and two may be meant.
        if "," in role or not role.strip():
            raise ValueError(f"a role has no comma and is not blank: {shown(role)}; several are several texts")
    return tuple(dict.fromkeys(roles))


def _methods(value: Any) -> tuple[str, ...]:
    methods: tuple[str, ...] = TEXTS.read(value)
    if not methods:
        raise ValueError('expected one method at the least, such as "wipe", "Session.read" or "Session.*"')
    return methods


ROLES: Final = ValueKind(_roles, TEXTS.parse)

RULE_KEYS: Final[Mapping[str, ValueKind]] = {"methods": ValueKind(_methods), "roles": ROLES}
"""The keys of ``[[services.NAME.rules]]``."""


def read_rules(key: str, value: Any, complain: Callable[[str, str], None]) -> tuple[RoleRule, ...]:
    """Read the rules of a service, in their order.

    Args:
        key: where they stand, such as ``services.vault.rules``.
        complain: is told a key and what is wrong with it.
    """
    if not isinstance(value, list) or not all(isinstance(rule, dict) for rule in value):
        complain(key, f"expected tables, each [[{key}]], not {shown(value)}")
        return ()
    rules = []
    for place, settings in enumerate(value):
        own = f"{key}[{place}]"
        for name in settings.keys() - RULE_KEYS.keys():
            complain(f"{own}.{name}", f"unknown key{nearest(name, list(RULE_KEYS))}")
        given: dict[str, Any] = {}
        for name, kind in RULE_KEYS.items():
            if name not in settings:
                complain(f"{own}.{name}", "is missing")
                continue
            try:
                given[name] = kind.read(settings[name])
            except ValueError as error:
                complain(f"{own}.{name}", str(error))
        if len(given) == len(RULE_KEYS):
            rules.append(RoleRule(**given))
    return tuple(rules)
