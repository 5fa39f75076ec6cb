from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cara_pseud.errors import SchemaError
from cara_pseud.schema import sources
from cara_pseud.schema.sources import Sources, search_path

Write = Callable[..., Path]
ID = "@0xd4c9b2a1f0e3d587;\n"


def collect(*paths: Path | str, import_path: list[Path] | None = None) -> Sources:
    found = Sources(search_path(import_path or []))
    for path in paths:
        found.add_root(str(path))
    found.add_stream_file()
    return found


def shown(found: Sources, directory: Path) -> list[str]:
    return [os.path.relpath(source.shown_name, directory) for source in found]


def test_imported_files_come_before_those_that_import_them(write: Write) -> None:
    root = write({
        "a.capnp": f'{ID}using B = import "b.capnp"; using C = import "sub/c.capnp";',
        "b.capnp": f'{ID}using C = import "sub/c.capnp";',
        "sub/c.capnp": f'{ID}using D = import "../d.capnp";',
        "d.capnp": ID,
    })  # fmt: skip
    assert shown(collect(root / "a.capnp"), root) == ["d.capnp", "sub/c.capnp", "b.capnp", "a.capnp"]


def test_files_that_import_each_other_are_read_once(write: Write) -> None:
    root = write({"a.capnp": f'{ID}using B = import "b.capnp";', "b.capnp": f'{ID}using A = import "a.capnp";'})
    assert shown(collect(root / "a.capnp"), root) == ["b.capnp", "a.capnp"]


def test_one_file_under_several_names_is_read_once(write: Write) -> None:
    root = write({
        "a.capnp": f'{ID}using B = import "b.capnp"; using C = import "/b.capnp"; using D = import "link.capnp";'
                   ' using E = import "sub/../b.capnp"; using F = import "linked/b.capnp";',
        "b.capnp": ID, "sub/x": "",
    })  # fmt: skip
    (root / "link.capnp").symlink_to("b.capnp")
    (root / "linked").symlink_to(root)
    found = collect(root / "a.capnp", root / "linked" / "a.capnp", import_path=[root])
    assert shown(found, root) == ["b.capnp", "a.capnp"]
    assert list(found)[1].copy.decode().count('import "/file1.capnp"') == 5


def test_renamed_imports_keep_the_lines_of_a_file(write: Write) -> None:
    text = f'{ID}# import "b.capnp"\nusing B = import "b.capnp"; # ä\nconst t :Text = "import \\"b.capnp\\"";\n'
    root = write({"a.capnp": text, "b.capnp": ID})
    a = list(collect(root / "a.capnp"))[1]
    assert a.text == text
    assert a.copy.decode() == text.replace('= import "b.capnp"', '= import "/file1.capnp"')


def test_imports_with_a_slash_look_through_the_import_path_in_order(write: Write) -> None:
    root = write({"one/b.capnp": ID, "two/b.capnp": ID, "two/c.capnp": ID, "a.capnp":
                  f'{ID}using B = import "/b.capnp"; using C = import "/c.capnp";'})  # fmt: skip
    found = collect(root / "a.capnp", import_path=[root / "missing", root / "one", root / "two"])
    assert shown(found, root) == ["one/b.capnp", "two/c.capnp", "a.capnp"]


def test_nodes_are_named_without_the_directories_above_the_import_path(write: Write) -> None:
    root = write({
        "top/sub/a.capnp":
            f'{ID}using B = import "../b.capnp"; using C = import "../../c.capnp"; using D = import "/e:f.capnp";',
        "top/b.capnp": ID, "c.capnp": ID, "top/e:f.capnp": ID,
    })  # fmt: skip
    found = collect(root / "top" / "sub" / "a.capnp", import_path=[root / "top"])
    assert [source.display_name for source in found] == ["b.capnp", "c.capnp", "e_f.capnp", "sub/a.capnp"]
    assert [source.display_name for source in collect(root / "c.capnp")] == ["c.capnp"]


def test_relative_paths_are_shown_as_they_were_given(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write({"sub/a.capnp": f'{ID}using B = import "../b.capnp";', "b.capnp": ID}))
    found = collect("sub/a.capnp")
    assert [source.shown_name for source in found] == ["b.capnp", "sub/a.capnp"]
    assert all(os.path.isabs(source.path) for source in found)


def test_embedded_files_are_copied_as_they_are(write: Write) -> None:
    data = b'\xff\0 import "nothing"'
    root = write({"a.capnp": f'{ID}const d :Data = embed "d.bin"; const e :Data = embed "/d.bin";', "d.bin": data})
    found = list(collect(root / "a.capnp", import_path=[root]))
    assert (found[0].embedded, found[0].copy) == (True, data)
    assert found[1].copy.decode().count('embed "/embedded1"') == 2


def test_a_schema_that_is_imported_and_embedded_is_embedded_unchanged(write: Write) -> None:
    b = f'{ID}using A = import "a.capnp";'
    root = write({"a.capnp": f'{ID}const t :Text = embed "b.capnp"; using B = import "b.capnp";', "b.capnp": b})
    found = {source.copy_name: source.copy.decode() for source in collect(root / "a.capnp")}
    assert found["embedded1"] == b
    assert found["file2.capnp"] == b.replace("a.capnp", "/file0.capnp")
    assert 'embed "/embedded1"; using B = import "/file2.capnp"' in found["file0.capnp"]


def test_the_file_of_streaming_methods_keeps_its_name(write: Write) -> None:
    root = write({"a.capnp": f"{ID}interface A {{ a @0 () -> stream; }}", "capnp/stream.capnp": ID, "b.capnp": ID})
    assert [source.copy_name for source in collect(root / "a.capnp", import_path=[root])][1] == "capnp/stream.capnp"
    assert len(list(collect(root / "b.capnp", import_path=[root]))) == 1
    assert len(list(collect(root / "a.capnp"))) == 1
    imported = write({"c.capnp": f'{ID}using S = import "/capnp/stream.capnp";'})
    found = list(collect(imported / "c.capnp", import_path=[root]))
    assert found[0].copy_name == "capnp/stream.capnp"


def test_a_long_chain_of_imports_is_no_recursion(write: Write) -> None:
    files = {f"f{number}.capnp": f'{ID}using N = import "f{number + 1}.capnp";' for number in range(1500)}
    root = write({**files, "f1500.capnp": ID})
    assert len(list(collect(root / "f0.capnp"))) == 1501


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"@0x1;\n\xe9", "a.capnp:2: is not UTF-8 text: byte 0xe9"),
        ("@0x1;".encode("utf-16"), "a.capnp:1: is not UTF-8 text: byte 0xff"),
        (b"@0x1;\n\n\0", "a.capnp:3: holds a NUL byte, so it is no schema"),
        (b"", "a.capnp: is empty; a schema begins with its id, @0x and 16 hexadecimal digits"),
        (b"\xef\xbb\xbf \n\t", "a.capnp: is empty; a schema begins with its id, @0x and 16 hexadecimal digits"),
        (b'@0x1;\nimport "b.capnp"', 'a.capnp:2: import "b.capnp": there is no such file'),
        (b'@0x1;\nembed "b.bin"', 'a.capnp:2: embed "b.bin": there is no such file'),
        (b'@0x1; import "."', 'a.capnp:1: import ".": there is no such file'),
        (b'\nimport "/b.capnp"', 'a.capnp:2: import "/b.capnp": it is in no directory of the import path (.)'),
        (b'\nimport "/../a.capnp"', 'a.capnp:2: import "/../a.capnp": it is in no directory of the import path (.)'),
        (b'import ""', "a.capnp:1: '' is no name of a file"),
        (b'import "\\x00"', "a.capnp:1: '\\x00' is no name of a file"),
        (b'import "//"', "a.capnp:1: '//' is no name of a file"),
        (b'import "/sub"', 'a.capnp:1: import "/sub": it is in no directory of the import path (.)'),
    ],
)
def test_files_that_cannot_be_schemas_are_refused_with_their_place(
    write: Write, monkeypatch: pytest.MonkeyPatch, content: bytes, expected: str
) -> None:
    monkeypatch.chdir(write({"a.capnp": content, "sub/x": b""}))
    with pytest.raises(SchemaError) as caught:
        collect("a.capnp", import_path=[Path(".")])
    assert str(caught.value) == expected
    assert caught.value.file == "a.capnp"


def test_what_is_no_readable_file_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"sub/x": b""})
    monkeypatch.chdir(root)
    os.mkfifo("pipe.capnp")
    (root / "loop.capnp").symlink_to("loop.capnp")
    (root / "big.capnp").write_bytes(b" " * 11)
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 10)
    for name, expected in (
        ("missing.capnp", "missing.capnp: no such file"),
        ("sub", "sub: is a directory, not a schema file"),
        ("pipe.capnp", "pipe.capnp: is no regular file"),
        ("loop.capnp", "loop.capnp: cannot be read: Too many levels of symbolic links"),
        ("sub/x/y.capnp", "sub/x/y.capnp: cannot be read: Not a directory"),
        ("big.capnp", "big.capnp: is longer than 10 bytes"),
        ("x" * 300, f"{'x' * 300}: cannot be read: File name too long"),
    ):
        with pytest.raises(SchemaError) as caught:
            collect(name)
        assert str(caught.value) == expected


def test_unreadable_files_are_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"a.capnp": ID})

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # the tests may run as root, who may read everything
    with pytest.raises(SchemaError, match=r"a\.capnp: cannot be read: Permission denied"):
        collect(root / "a.capnp")


def test_the_search_path_has_each_directory_once(write: Write) -> None:
    root = write({"one/x": "", "two/x": ""})
    (root / "link").symlink_to(root / "one")
    given = [root / name for name in ("one", "missing", "link", "two", "one/../one", "one/x")]
    assert search_path(given) == ((str(root / "one"), str(root / "one")), (str(root / "two"), str(root / "two")))
