@0xd3b0f1a52c6e4897;

enum Color { red @0; green @1; blue @2; }
interface Owner { ask @0 () -> (); }
struct Inner { note @0 :Text; }
struct Thing { name @0 :Text; count @1 :Int32; price @2 :UInt32; weight @3 :Float64; inner @4 :Inner; }
struct Label { token @0 :Text; interface @1 :Text; }
struct Labelled { name @0 :Text; count @1 :Int32; price @2 :UInt32; weight @3 :Float64; label @4 :Label; }
struct Owned { name @0 :Text; count @1 :Int32; price @2 :UInt32; weight @3 :Float64; owner @4 :Owner; }

interface Bodies {
  numbers @0 (list :List(Int32)) -> ();
  floats @1 (list :List(Float64)) -> ();
  texts @2 (list :List(Text)) -> ();
  colors @3 (list :List(Color)) -> ();
  things @4 (list :List(Thing)) -> ();
  both @5 (list :List(Thing), on :Owner) -> ();
  labelled @6 (list :List(Labelled)) -> ();
  owned @7 (list :List(Owned)) -> ();
}
