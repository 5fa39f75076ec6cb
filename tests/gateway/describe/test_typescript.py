"""The TypeScript types: the compiler takes a program that uses every construct, and refuses wrong ones for the reason.

All programs are compiled together, because starting the compiler is what takes the time.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cara_pseud.schema.nodes import Schema, Type
from gateway.describe.typescript import typescript_module
from gateway.json.codec import CodecOptions
from gateway.routes import ServiceRoutes

ROOT = Path(__file__).resolve().parents[3]
TSC = ROOT / "tests" / "js" / "node_modules" / ".bin" / "tsc"

SCHEMA = """
using Gateway = import "/gateway.capnp";
using Json = import "/capnp/compat/json.capnp";
interface Shop extends(Base) {
  # Sells things. */ Really.

  order @0 (item :Item, count :UInt16 = 3, on :Listener) -> (receipt :Receipt);
  # Orders an item.
  #
  # Several lines.

  list @1 (colors :List(Color), limit :UInt8 = 5) -> (items :List(Item), next :Shop);
  whole @2 Item -> Item $Json.name("all");
  secret @3 () -> () $Gateway.hidden;
  box @4 (box :Box(Made), raw :Json.Value, any :AnyPointer, boxes :List(Box(Text))) -> (box :Box(Text));
  numbers @5 (wide :Int64, wider :UInt64, float :Float32, flag :Bool, none :Void, data :Data, class :Text)
      -> (wide :UInt64);
  odd @6 (item :Item) -> (made :Made) $Json.name("odd-name");
  pair @7 () -> (pair :Pair(Text, Receipt));
  same @8 [T, U] (value :T, other :U) -> (value :T);
  both @9 [T] (value :T) -> (value :T, again :T);
  restore @10 (name :Text) -> (cap :Capability);
  loose @11 (cap :Capability, struct :AnyStruct, list :AnyList)
      -> (struct :AnyStruct, list :AnyList, caps :List(Capability));
}
interface Base { ping @0 () -> (); turn @1 (one :Turn, many :Turns) -> (); }
interface Turn { apply @0 (value :Int32) -> (result :Int32); }
interface Turns { call @0 (value :Int32) -> (result :Int32); bind @1 (value :Int32) -> (result :Int32); }
interface Listener { changed @0 (item :Item, color :Color) -> (more :Bool); }
interface Receipt { cancel @0 (reason :Text = "none") -> (done :Bool); refund @1 (amount :Int64) -> (); }
enum Color { red @0; blue @1 $Json.name("BLUE"); }
struct Item {
  # A thing.
  name @0 :Text;   # What it is called.
  color @1 :Color = blue;
  size @2 :Float32;
  photo @3 :Data $Json.base64;
  parts @4 :List(Item);
  where :group { city @5 :Text; zip @14 :UInt32; }
  union { free @6 :Void; price @7 :Int64 = 5; gift @15 :Text; }
  data @9 :Data;
  made @10 :Made $Json.flatten(prefix = "made_");
  hash @11 :Data $Json.hex;
  named :union { one @12 :Int32; two @13 :Text; }
  pin @8 :Text;
}
struct Made $Json.discriminator(name = "kind", valueName = "value") { union { a @0 :Int8; b @1 :Text; c @2 :Void; } }
struct Box(T) { item @0 :T; }
struct Pair(A, B) { first @0 :A; second @1 :B; }
"""

RIGHT = """
import { connect, type Gateway, type RemoteObject } from './client/index.js';
import type { Color, Interfaces, Item, ItemInput, Receipt, Shop } from './shop.js';

const gateway: Gateway = await connect('http://127.0.0.1:8080', { session: 'x' });
const shop = gateway.service<Shop>('shop');

const item: ItemInput = {
  name: 'x', color: 'red', size: 'NaN', photo: new Uint8Array([1]), parts: [{ name: 'y', price: 5n }],
  where: { city: 'c' }, price: '9', data: [1, 2], made_kind: 'b', made_value: 'v', hash: '00ff', named: { two: 't' },
};
const receipt = await shop.order(item, undefined, {
  changed: (thing, color) => thing.name === 'x' && color === 'BLUE',
});
const done: boolean = await receipt.cancel();
await receipt.refund(5n);
receipt.$release();
await shop.order({}, 2, (thing: Item, color: Color) => Promise.resolve(true));
await shop.order(shop.all(item), 2, async () => false);

const { items, next } = await shop.list(['red', 'BLUE']);
const first: Item = items[0]!;
if ('price' in first) {
  const price: string = first.price;
} else if ('gift' in first) {
  const gift: string | null = first.gift;
} else {
  const free: null = first.free;
}
const color: Color = first.color;
const size: number = first.size * 2;
const city: string | undefined = first.where.city;
const zip: number = first.where.zip;
if ('one' in first.named) {
  const one: number = first.named.one;
}
const bytes: number[] | undefined = first.data;
const photo: string | undefined = first.photo;
await next.ping();
await shop.ping();

const box = await shop.box({ item: { kind: 'a', value: 1 } }, { any: ['json', 1, null] }, 5, [{ item: 'x' }]);
const text: string | undefined = box.item;
const wide: string = await shop.numbers(1, '2', 1.5, true, null, new ArrayBuffer(1), 'x');
const made = await shop['odd-name'](item);
switch (made.kind) {
  case 'a': {
    const value: number = made.value;
    break;
  }
  case 'b': {
    const value: string | null = made.value;
    break;
  }
  case 'c':
    break;
}
const pair = await shop.pair();
await pair.second.cancel('why');
const same: RemoteObject<Receipt> = await shop.same(pair.second, "a");
const both: { value: string; again: string } = await shop.both('x');
const inferred: boolean = await shop.same(receipt, []).cancel();
await shop.order({}, 2, { changed: (thing, color, { signal }) => signal.aborted && thing.size > 1 });
await shop.order({}, 2, (thing, color, { signal }) => signal.aborted);
const turns = { call: (value: number) => value, bind: async (value: number) => value };
await shop.turn((value, { signal }) => (signal.aborted ? 0 : value), turns);
await shop.turn({ apply: (value, { signal }) => (signal.aborted ? 0 : value) }, { call: (v) => v, bind: (v) => v });
const pipelined: boolean = await shop.order({}, 1, () => true).cancel();
const nested: string | undefined = await shop.list([]).next.all({ name: 'x' }).name;
const again: RemoteObject<Shop> = next;
const restored = await shop.restore('x');
const cast: RemoteObject<Receipt> = await restored.$as('Receipt');
const isDone: boolean = await shop.restore('x').$as('Receipt').cancel('why');
await shop.restore('y').$as('Shop').restore('z').$as('Listener').changed({}, 'red');
const wider: RemoteObject<Interfaces['Base']> = await cast.$as('Base');
const { struct, list, caps } = await shop.loose(cast, { any: 1 }, [1, 'x']);
await shop.loose(() => {}, struct, list);
const fromList: boolean = await caps[0]!.$as('Receipt').cancel();
await gateway.service('shop').$call('restore', ['x']).then((untyped: RemoteObject) => untyped.$as('Receipt').cancel());
await shop.$call('order', { item: { name: 'x' } }, { timeout: 1000, signal: new AbortController().signal });
gateway.on('state', (state, { resumed }) => state === 'open' && resumed);
using scoped = await shop.order({}, 1, () => true);
export { done, color, size, city, zip, bytes, photo, text, wide, pipelined, nested, again, scoped };
export { isDone, wider, fromList };
export type Kept = RemoteObject<Receipt>;
"""

# What is wrong, and a part of the compiler's complaint.
WRONG = {
    "a function for one of another result": (
        "await shop.turn(() => new Date(), { call: (v) => v, bind: (v) => v });", "'() => Date' is not assignable"
    ),
    "a function for several methods that functions have": (
        "await shop.turn((v) => v, (v: number) => v);", "'(v: number) => number' is not assignable"
    ),
    "a parameter of another type": ("await shop.list('red');", "Argument of type 'string'"),
    "a parameter too few": ("await shop.order({});", "arguments, but got 1"),
    "a parameter too many": ("await shop.ping(1);", "Expected 0 arguments, but got 1"),
    "an unknown enumerant": ("await shop.list(['green']);", "'\"green\"' is not assignable to type"),
    "an unknown member": ("await shop.all({ nme: 'x' });", "'nme' does not exist in type"),
    "a member that is not there": ("(await shop.all({})).prise;", "Property 'prise' does not exist"),
    "a member that may be absent": ("(await shop.all({})).name.length;", "possibly 'undefined'"),
    "an unknown method": ("await shop.odrer({});", "Property 'odrer' does not exist"),
    "a hidden method": ("await shop.secret();", "Property 'secret' does not exist"),
    "a result of another type": (
        "const n: number = await shop.numbers(1, 1, 1, true, null, [], '');",
        "'string' is not assignable",
    ),
    "an object that was not returned": ("await shop.order.cancel();", "Property 'cancel' does not exist"),
    "an object of another interface": (
        "await shop.order({}, 1, (await shop.list([])).next);",
        "not assignable to parameter",
    ),
    "a method that the object does not have": (
        "await (await shop.list([])).next.cancel();",
        "Property 'cancel' does not exist",
    ),
    "a callback without its method": ("await shop.order({}, 1, { other() {} });", "'other' does not exist in type"),
    "a callback that gives another type": ("await shop.order({}, 1, () => 'yes');", "is not assignable to type"),
    "two members of a union read at once": ("(await shop.all({})).price;", "Property 'price' does not exist"),
    "a value that the tag does not have": (
        "const m = await shop['odd-name']({}); if (m.kind === 'c') m.value;",
        "Property 'value' does not exist",
    ),
    "another type than the one that was given": (
        "const n: number = await shop.same('text', []);",
        "'string' is not assignable",
    ),
    "a float that is a text": (
        "const t: string = (await shop.all({})).size;",
        "'number' is not assignable",
    ),
    "an unknown tag": ("await shop.box({ item: { kind: 'd' } }, 1, 1, []);", "'\"d\"' is not assignable|Type '\"d\"'"),
    "no number of a float": ("await shop.numbers(1, 1, 'large', true, null, [], '');", "'\"large\"' is not assignable"),
    "an interface that there is not": (
        "(await shop.restore('x')).$as('Recept');",
        "Argument of type '\"Recept\"' is not assignable",
    ),
    "a pipelined one": ("shop.restore('x').$as('Recept');", "Argument of type '\"Recept\"' is not assignable"),
    "a method of an object before it is cast": ("shop.restore('x').cancel();", "Property 'cancel' does not exist"),
    "a number for an object": ("shop.loose(5, {}, []);", "Argument of type 'number'"),
    "an object for a list": ("shop.loose(() => {}, {}, {});", "Argument of type '{}'"),
    "a pipelined member that is not there": (
        "await shop.list([]).previous.ping();",
        "Property 'previous' does not exist",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def complaints(
    tmp_path_factory: pytest.TempPathFactory,
    compile_text: Callable[[str], Schema],
    struct_type: Callable[[Schema, str], Type],
) -> list[str]:
    """What the compiler says of all programs: ``right.ts``, and one for each wrong one."""
    folder = tmp_path_factory.mktemp("types")
    schema = compile_text(SCHEMA)
    routes = ServiceRoutes("shop", schema, struct_type(schema, "Shop"))
    (folder / "client").symlink_to(ROOT / "static" / "client")
    (folder / "shop.d.ts").write_text(typescript_module([routes], CodecOptions(), "./client/index.js"), "utf-8")
    (folder / "package.json").write_text('{"type": "module"}', "utf-8")
    (folder / "right.ts").write_text(RIGHT, "utf-8")
    head = "import { connect } from './client/index.js';\nimport type { Shop } from './shop.js';\n"
    head += "const shop = (await connect()).service<Shop>('shop');\nexport {};\n"
    for number, (program, _) in enumerate(WRONG.values()):
        (folder / f"wrong{number}.ts").write_text(f"{head}{program}\n", "utf-8")
    done = subprocess.run(
        [
            str(TSC), "--noEmit", "--strict", "--pretty", "false", "--target", "es2022", "--module", "nodenext",
            "--lib", "es2022,esnext,dom", "--noUncheckedIndexedAccess",
            "right.ts", *(f"wrong{number}.ts" for number in range(len(WRONG))),
        ],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return re.split(r"\n(?=\S)", done.stdout.strip())


def test_a_program_with_every_construct_compiles(complaints: list[str]) -> None:
    assert [line for line in complaints if not line.startswith("wrong")] == []


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_does_not_compile(name: str, complaints: list[str]) -> None:
    number = list(WRONG).index(name)
    found = "\n".join(line for line in complaints if line.startswith(f"wrong{number}.ts"))
    assert any(part in found for part in WRONG[name][1].split("|")), f"{WRONG[name][0]}\n{found or 'it compiles'}"


def test_names_and_comments_are_safe(compile_text: Callable[[str], Schema], struct_type: Callable[..., Type]) -> None:
    schema = compile_text(SCHEMA)
    text = typescript_module([ServiceRoutes("shop", schema, struct_type(schema, "Shop"))], CodecOptions(int64="auto"))
    assert "Sells things. *\u200b/ Really." in text
    assert '"odd-name"(item: Arg<ItemInput>): Made;' in text
    assert "class_: Arg<string>" in text
    assert "): number | string;" in text
    assert "secret" not in text


def test_several_services_stand_in_namespaces(
    compile_text: Callable[[str], Schema], struct_type: Callable[..., Type]
) -> None:
    schema = compile_text(SCHEMA)
    services = [ServiceRoutes(name, schema, struct_type(schema, name.capitalize())) for name in ("shop", "base")]
    text = typescript_module(services, CodecOptions())
    assert "export declare namespace shop {" in text
    assert "export declare namespace base {\n  /** The service `base`. */\n  export type Root = Base;" in text
