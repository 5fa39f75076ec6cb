"""Keys: who has which, what a reload changes, and that their look-up has nothing to measure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gateway.access.keys
from gateway.access.credentials import Credentials
from gateway.access.keys import Keys
from gateway.config.key_file import KeyEntry, digest_of
from gateway.errors import GatewayError, Status

NOBODY = Credentials({})


def entry(name: str, *roles: str, key: str = "") -> KeyEntry:
    return KeyEntry(name, frozenset(roles), digest_of(key or f"cara_{name}"))


def test_a_key_is_its_name_s_and_roles() -> None:
    keys = Keys([entry("alice", "admin"), entry("bob")])
    alice, bob = keys.known("cara_alice", NOBODY), keys.known("cara_bob", NOBODY)
    assert (alice.name, alice.roles) == ("key:alice", {"admin"})
    assert (bob.name, bob.roles) == ("key:bob", frozenset())
    assert keys.known("cara_alice", NOBODY) is alice


@pytest.mark.parametrize("key", ["", "cara_", "cara_alic", "cara_alice ", "CARA_ALICE", "cara_aliceé", "\ud800"])
def test_what_is_no_key_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(GatewayError) as raised:
        Keys([entry("alice")]).known(key, NOBODY)
    assert raised.value.status is Status.UNAUTHENTICATED
    assert raised.value.detail == "the key is not known"



def test_who_keeps_its_key_stays_the_same_with_its_new_roles() -> None:
    keys = Keys([entry("alice", "admin"), entry("bob")])
    alice = keys.known("cara_alice", NOBODY)
    assert [gone.name for gone in keys.replace([entry("alice", "staff")])] == ["key:bob"]
    assert keys.known("cara_alice", NOBODY) is alice
    assert (alice.roles, alice.is_removed) == ({"staff"}, False)


def test_who_is_gone_or_has_another_key_is_removed() -> None:
    keys = Keys([entry("alice"), entry("bob"), entry("carol")])
    before = [keys.known(f"cara_{name}", NOBODY) for name in ("alice", "bob", "carol")]
    gone = keys.replace([entry("alice", key="new"), entry("mallory", key="cara_bob"), entry("carol")])
    assert [principal.is_removed for principal in before] == [True, True, False]
    assert gone == before[:2]
    with pytest.raises(GatewayError):
        keys.known("cara_alice", NOBODY)
    # The name belongs to the key, so this is somebody else.
    assert keys.known("cara_bob", NOBODY).name == "key:mallory"
    assert keys.known("new", NOBODY) is not before[0]


def test_keys_are_compared_by_their_digests_alone() -> None:
    """No look-up by a part of a key and no comparison of texts, whose time would tell how much of one is right."""
    keys = Keys([entry("alice"), entry("bob")])
    assert set(keys._principals) == {digest_of("cara_alice"), digest_of("cara_bob")}
    source = Path(gateway.access.keys.__file__).read_text("utf-8")
    (known,) = [node for node in ast.walk(ast.parse(source)) if getattr(node, "name", "") == "known"]
    uses = [ast.unparse(node) for node in ast.walk(known) if isinstance(node, ast.Call | ast.Compare | ast.For)]
    # All that is done with what was sent is to look it up whole in tables, which are keyed by hashes.
    assert [use for use in uses if "value" in use] == [
        "self._shown.get(value)", "self._principals.get(digest_of(value))", "digest_of(value)",
    ]  # fmt: skip


def test_what_is_remembered_is_known_keys_alone_and_no_longer_than_they_are() -> None:
    keys = Keys([entry("alice"), entry("bob")])
    for guess in range(100):
        with pytest.raises(GatewayError):
            keys.known(f"cara_{guess}", NOBODY)
    keys.known("cara_alice", NOBODY)
    assert set(keys._shown) == {"cara_alice"}
    keys.replace([entry("bob")])
    assert keys._shown == {}
    with pytest.raises(GatewayError):
        keys.known("cara_alice", NOBODY)
