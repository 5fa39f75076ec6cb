@0xa8f1d0c3b2e49577;
# Names of a schema that mean something else in Python, or in the stub.

using Odds = import "od-ds.capnp";
using Persistent = import "/capnp/persistent.capnp".Persistent;

const list :List(Int32) = [1, 2];
const int :Int32 = 3;

enum Word { name @0; value @1; real @2; class @3; mro @4; }

struct Address { top @0 :Int32; }
struct Person {
  struct Address { street @0 :Text; }
  inner @0 :Address;
  outer @1 : .Address;
  self @2 :Text;
  odds @3 :List(Odds.Odd);
  mro @4 :Text;
  list @5 :List(Text);
}
struct Alias { using Inner = Person.Address; using Address = .Address; inner @0 :Inner; outer @1 :Address; }
struct Whole { struct Whole { part @0 :Int32; } part @0 :Whole; whole @1 : .Whole; }

interface Store extends(Persistent(Text, Data)) {
  interface Store { keep @0 (self :Text, store :Store) -> (self :Text, store : .Store); }
  open @0 (self :Text) -> (store :Store, await :Store);
  store @1 (word :Word) -> (int :Int32);
}
