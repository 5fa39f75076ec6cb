"""Keys: who has which, what a reload changes, and that their look-up has nothing to measure."""

from __future__ import annotations

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
    keys = Keys([entry("alice")])
    table = keys._principals
    assert set(table) == {digest_of("cara_alice")}
    source = Path(gateway.access.keys.__file__).read_text("utf-8")
    known = source.partition("def known")[2].partition("def ")[0]
    # The only thing that is done with what was sent is to make a digest of it.
    assert known.count("value") == 2
    assert "self._principals.get(digest_of(value))" in known
    assert "for " not in known
