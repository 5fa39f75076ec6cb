@0xd4c9b2a1f0e3d602;
$note("about the file");
# Every kind of default, union, group and name that a struct can have.

using Shared = import "shared.capnp";
using import "shared.capnp".Point;
using Cara = import "/capnp/cara.capnp";

annotation note @0xa2b1c3d4e5f60799 (*) :Text;
annotation origin @0xa2b1c3d4e5f6079a (struct, field) :Point;
annotation flag @0xa2b1c3d4e5f6079b (struct, enumerant) :Void;

enum Color $note("about colours") { red @0 $note("like fire") $flag; green @1; class @2; mro @3; name @4; }

struct Defaults $note("about defaults") $origin(x = 1, y = 2) $flag $Cara.registerGlobally {
  bool @0 :Bool = true;
  int @1 :Int16 = -7;
  float @2 :Float32 = 0.1;
  text @3 :Text = "hello" $note("about text");
  data @4 :Data = 0x"00 ff";
  color @5 :Color = green;
  point @6 :Point = (x = 3, y = 4);
  ints @7 :List(Int32) = [1, 2, 3];
  points @8 :List(Point) = [(x = 1), (y = 2)];
  plainText @9 :Text;
  plainInt @10 :UInt64;
  plainColor @11 :Color;
  plainData @12 :Data;
  plainFloat @13 :Float64;
  size @14 :Shared.Size = large;
}

struct NestedDefaults {
  points @0 :List(Point) = [(x = 1), (y = 2)];
  lists @1 :List(List(UInt8)) = [[1], [2]];
  line @2 :Line = (points = [(x = 5)]);
  group :group { points @3 :List(Point) = [(x = 5)]; }
  struct Line { points @0 :List(Point); }
}

struct Item { qty @0 :Int16; name @1 :Text; tags @2 :List(Text); }
struct Order { items @0 :List(Item); matrix @1 :List(List(Int8)); main @2 :Item; any @3 :AnyPointer; }

struct Choice {
  id @0 :UInt32;
  union {
    number @1 :Int32;
    text @2 :Text;
    point @3 :Point;
    list @4 :List(Int32);
    nothing @5 :Void;
    box :group { width @6 :Int32 = 10; height @7 :Int32; }
  }
  inner :union $note("about the union") {
    left @8 :Int8;
    right :group { a @9 :Int8; b @10 :Int8; }
  }
}

struct Names {
  items @0 :List(Item);
  keys @1 :Text;
  get @2 :Int32;
  copy @3 :Int32;
  update @4 :Text;
  class @5 :Text;
  which @6 :Text;
  union { from @7 :Int32; import @8 :Int32; }
}

struct Outer {
  inner @0 :Inner;
  struct Inner { leaf @0 :Leaf; enum Kind { one @0; two @1; } const limit :Int32 = 9; }
  struct Leaf { host @0 :Text; port @1 :Int16 = 80; }
  listed @1 :List(Leaf);
  grouped :group { leaf @2 :Leaf; }
  unrelated @3 :Item;
}

struct Empty {}

const answer :Int32 = 42 $note("about the answer");
const greeting :Text = "hi";
const pi :Float64 = 3.5;
const raw :Data = 0x"01 02";
const favourite :Color = green;
const spot :Point = (x = 5);
const spots :List(Point) = [(x = 1), (x = 2)];
