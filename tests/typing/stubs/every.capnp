@0xd8c1a7b3f2e49506;

using Common = import "common.capnp";
using Json = import "/capnp/compat/json.capnp";
using Common.Person;
using People = List(Person);

const limit :Int32 = 100;
const names :List(Text) = ["a", "b"];

enum Color { red @0; green @1; class @2; }

struct Every {
  # A struct with every kind of field.
  none @0 :Void;
  bool @1 :Bool;
  small @2 :Int8;
  big @3 :UInt64;
  half @4 :Float32;
  text @5 :Text;
  bytes @6 :Data;
  color @7 :Color;
  every @8 :Every;
  many @9 :List(Every);
  table @10 :List(List(Int32));
  any @11 :AnyPointer;
  items @12 :Text;
  import @13 :Text;
  shape :union { circle @14 :Float64; square @15 :Float64; }
  place :group { x @16 :Int32; y @17 :Int32; }
  union { one @18 :Text; two @19 :Inner; }
  person @20 :Common.Person;
  box @21 :Box(Text);
  thing @22 :Thing;
  struct Inner { value @0 :Int32; }
}

struct Box(T) { value @0 :T; }

interface Base { base @0 () -> (text :Text); }

interface Thing extends(Base) {
  list @0 (prefix :Text, limit :Int32 = 100) -> (all :List(Every));
  whole @1 Every -> Every;
  several @2 (color :Color) -> (first :Int32, items :Text, thing :Thing);
  watch @3 (listener :Listener) -> ();
  generic @4 [T] (value :T) -> (value :T);
  send @5 (every :Every) -> stream;
  import @6 (from :Text) -> (int :Int32);
  interface Listener { told @0 (every :Every) -> (); }
}

interface Empty {}
struct Nothing {}
