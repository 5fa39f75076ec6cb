"""The names that users of cara 0.10 look for in classes, where nothing is generated: docs/library.md says which.

Those of the modules `cara` and `cara.cara_pseud`, and of generated modules, are tested in tests/compat.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cara_pseud

depot: Any = cara_pseud.load(Path(__file__).parents[1] / "compat" / "depot.capnp")


def test_an_interface_names_its_superclasses() -> None:
    assert depot.Depot.__superclasses__ == (depot.Named,)
    assert depot.Named.__superclasses__ == ()


def test_a_field_has_the_default_of_the_schema_or_none() -> None:
    fields = depot.Parcel.__fields__
    assert fields["comment"].default_value == "fragile"
    assert fields["id"].default_value is None
    assert (fields["id"].default, fields["comment"].default) == (0, "fragile")


def test_declarations_have_ids() -> None:
    assert depot.Parcel.__id__ == 0xE1A2B3C4D5E6F70A
    assert depot.Depot.__id__ == 0xE1A2B3C4D5E6F70F
    # Which is why it is not called `id`.
    assert depot.Parcel.id.name == "id"


def test_a_method_tells_its_parameters() -> None:
    send = depot.Depot.send
    assert send.params == {"parcel": depot.Parcel, "copies": cara_pseud.Int32}
    assert [(each.name, each.type, each.has_default) for each in send.parameters.values()] == [
        ("parcel", depot.Parcel, False), ("copies", cara_pseud.Int32, True),
    ]  # fmt: skip
    assert depot.Depot.weigh.params is depot.Parcel
