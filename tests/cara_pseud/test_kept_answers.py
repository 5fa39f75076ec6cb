"""What is kept of answers for calls into them: paths to exports, errors, and never an object itself."""

from __future__ import annotations

import gc
from itertools import count
from typing import Any

import pytest

from cara_pseud.capabilities import Capability
from cara_pseud.errors import RpcError
from cara_pseud.exports import HolderExports, Quota
from cara_pseud.kept_answers import MOST_ANSWERS, MOST_OBJECTS, KeptAnswers, objects_in
from cara_pseud.local import LocalCapability
from cara_pseud.promised import is_not_kept


class Thing:
    def invoke(self, *_: Any) -> Any:
        raise NotImplementedError

    def released(self) -> None:
        pass


class Foreign(Capability):
    def __init__(self) -> None:
        self.key = ("foreign", id(self))


def uid(number: int) -> bytes:
    return number.to_bytes(16, "big")


@pytest.fixture
def exports() -> HolderExports:
    ids = count(1)
    return HolderExports(lambda: next(ids), Quota(10_000))


def exported(exports: HolderExports) -> LocalCapability:
    thing = LocalCapability(Thing())
    exports.add(thing)
    return thing


def gone(kept: KeptAnswers, number: int, path: tuple[int, ...], exports: HolderExports) -> bool:
    with pytest.raises(RpcError) as failed:
        kept.find(uid(number), path, exports)
    return is_not_kept(failed.value)


@pytest.mark.parametrize(("results", "path"), [(["value"], (0, 4, 1)), (None, (4, 1)), (["other", "value"], (1, 4, 1))])
def test_objects_are_found_by_the_ids_of_the_fields_from_the_struct_of_the_results(
    results: Any, path: tuple[int, ...], exports: HolderExports
) -> None:
    thing = exported(exports)
    struct = {0: "Ann", 4: {1: thing}, 5: [thing], 6: None}
    value = {"value": struct, "other": 5} if results and len(results) > 1 else struct
    kept = KeptAnswers()
    kept.keep(uid(1), objects_in(value, results, exports))
    assert kept.find(uid(1), path, exports) is thing
    for wrong in ((), path[:-1], (*path, 0), (9,)):
        assert gone(kept, 1, wrong, exports)
    assert gone(kept, 2, path, exports)


def test_an_only_object_is_found(exports: HolderExports) -> None:
    thing, kept = exported(exports), KeptAnswers()
    kept.keep(uid(1), objects_in(thing, ["value"], exports))
    assert kept.find(uid(1), (0,), exports) is thing
    assert gone(kept, 1, (), exports)


def test_an_object_that_was_released_is_gone(exports: HolderExports) -> None:
    thing, kept = exported(exports), KeptAnswers()
    kept.keep(uid(1), objects_in(thing, ["value"], exports))
    id = exports.id_of(thing.key)
    assert id is not None
    exports.release(id, 1)
    assert gone(kept, 1, (0,), exports)


def test_somebody_else_s_object_is_found_as_long_as_anybody_has_it(exports: HolderExports) -> None:
    foreign, kept = Foreign(), KeptAnswers()
    kept.keep(uid(1), objects_in({1: foreign}, ["value"], exports))
    assert kept.find(uid(1), (0, 1), exports) is foreign
    del foreign
    gc.collect()
    assert gone(kept, 1, (0, 1), exports)


def test_an_error_is_kept_as_its_body(exports: HolderExports) -> None:
    kept = KeptAnswers()
    kept.keep(uid(1), b"body")
    assert kept.error(uid(1)) == b"body"
    assert kept.error(uid(2)) is None
    assert gone(kept, 1, (0,), exports)


def test_the_oldest_go_first_and_a_new_connection_has_none(exports: HolderExports) -> None:
    kept = KeptAnswers()
    for number in range(MOST_ANSWERS + 5):
        kept.keep(uid(number), b"error")
        kept.keep(uid(number), b"error")
    assert len(kept) == MOST_ANSWERS
    assert [kept.error(uid(number)) is None for number in (4, 5)] == [True, False]
    kept.clear()
    assert len(kept) == 0
    for number in range(MOST_ANSWERS):
        kept.keep(uid(number), b"error")
    assert kept.error(uid(0)) == b"error"


def test_no_more_objects_are_looked_for_than_there_is_room(exports: HolderExports) -> None:
    thing = exported(exports)
    assert len(objects_in(dict.fromkeys(range(1000), thing), None, exports)) == MOST_OBJECTS
    deep: Any = thing
    for _ in range(500):
        deep = {0: deep}
    assert objects_in(deep, None, exports) == {}
    assert objects_in("text", ["a", "b"], exports) == {}
