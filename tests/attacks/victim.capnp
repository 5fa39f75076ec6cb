@0xb1d5a4c7e9f20318;

using Gateway = import "/gateway.capnp";

struct Thing { name @0 :Text; count @1 :Int32; tags @2 :List(Text); }
struct Node { name @0 :Text; next @1 :Node; }
struct Tree { children @0 :List(Tree); }

interface Object {
  poke @0 () -> (count :UInt32);
  self @1 () -> (object :Object);
}
interface Listener { changed @0 (text :Text) -> (); }

interface Victim {
  add @0 (first :Int32, second :Int32) -> (result :Int32) $Gateway.readOnly;
  numbers @1 (list :List(Int32)) -> (count :UInt32);
  texts @2 (list :List(Text)) -> (count :UInt32);
  things @3 (list :List(Thing)) -> (count :UInt32);
  tree @4 (tree :Tree) -> ();
  find @5 (node :Node) -> (name :Text) $Gateway.readOnly;
  data @6 (data :Data) -> (count :UInt32);
  object @7 () -> (object :Object);
  objects @8 (count :UInt32) -> (objects :List(Object));
  take @9 (objects :List(Object)) -> (count :UInt32);
  large @10 (bytes :UInt32) -> (text :Text) $Gateway.readOnly;
  many @11 (count :UInt32) -> (list :List(Thing));
  slow @12 (seconds :Float64) -> ();
  fail @13 (depth :UInt32, bytes :UInt32) -> ();
  watch @14 (listener :Listener, times :UInt32) -> ();
  labelled @15 (list :List(Thing), on :Object) -> (count :UInt32);
}
