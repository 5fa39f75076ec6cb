"""Entity tags, and who takes gzip."""

from __future__ import annotations

import gzip

import pytest

from gateway.protocols.rest.representation import accepts_gzip, compress, entity_tag


def test_a_tag_is_weak_and_of_the_bytes_alone() -> None:
    assert entity_tag(b"one").startswith('W/"')
    assert entity_tag(b"one") == entity_tag(b"one") != entity_tag(b"two")


@pytest.mark.parametrize(
    ("field", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=0.5, br", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("*, gzip;q=0", False),
        ("*;q=0, gzip", True),
        ("gzipped", False),
    ],
)
def test_gzip_is_sent_to_those_who_accept_it(field: str, accepted: bool) -> None:
    assert accepts_gzip(field) is accepted


def test_the_same_bytes_are_compressed_the_same() -> None:
    data = b'{"name":"Ann"}' * 100
    assert compress(data) == compress(data)
    assert compress(data)[4:8] == bytes(4)  # no time
    assert gzip.decompress(compress(data)) == data
