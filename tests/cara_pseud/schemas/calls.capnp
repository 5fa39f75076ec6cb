@0xd4c9b2a1f0e3d603;
# Every form of method, inheritance and generics.

using Values = import "values.capnp";

annotation note @0xa2b1c3d4e5f60798 (*) :Text;

struct Box(T) {
  value @0 :T;
  next @1 :Box(T);
  inner @2 :Inner;
  struct Inner { own @0 :T; fixed @1 :Text; }
  part :group { of @3 :T; }
}
struct Pair(A, B) { first @0 :A; second @1 :B; boxed @2 :Box(A); }
struct UsesBoxes { text @0 :Box(Text); items @1 :Box(Values.Item); inner @2 :Box(Text).Inner; bare @3 :Box; lists @4 :Box(List(Int32)); }

interface Methods $note("about methods") {
  nothing @0 () -> ();
  add @1 (first :Int32 $note("the first"), second :Int32) -> (result :Int32) $note("adds");
  divMod @2 (a :Int32, b :Int32) -> (q :Int32, r :Int32);
  page @3 (prefix :Text, limit :UInt16 = 50, order :Values.Color = green, near :Values.Point = (x = 1)) -> (text :Text);
  middle @4 (a :Int32 = 1, b :Int32, c :Int32 = 3) -> (text :Text);
  byStruct @5 Values.Item -> Values.Item;
  find @6 (name :Text) -> (item :Values.Item);
  stream @7 (chunk :Data) -> stream;
  count @8 (counter :Counter) -> (value :Int32);
  make @9 (start :Int32) -> (counter :Counter);
  any @10 (value :AnyPointer) -> (value :AnyPointer);
  import @11 (from :Text, self :Int32) -> (class :Text);
  mixed @12 (number :Float32, flag :Bool, text :Text, data :Data, void :Void, item :Values.Item) -> (ok :Bool);
  choose @13 (choice :Values.Choice) -> (choice :Values.Choice, note :Text, counter :Counter);
}

interface Counter { increment @0 (by :Int32) -> (value :Int32); clone @1 () -> (counter :Counter); }
interface Listener { changed @0 (text :Text) -> (heard :Text); }
interface Marker {}

interface A { a @0 () -> (who :Text); shared @1 () -> (who :Text); }
interface B extends(A) { b @0 () -> (who :Text); }
interface C extends(A) { c @0 () -> (who :Text); shared @1 () -> (who :Text); }
interface D extends(B, C) { d @0 () -> (who :Text); }
interface E extends(D) { e @0 () -> (who :Text); }
interface Odd extends(A, E) { odd @0 () -> (who :Text); }
interface Contrary1 extends(B, C) {}
interface Contrary2 extends(C, B) {}
interface Contrary extends(Contrary1, Contrary2) {}

interface Factory(T) {
  make @0 () -> (value :T);
  keep @1 [U] (first :T, second :U) -> (both :Pair(T, U));
  box @2 [U] Box(U) -> (value :U);
  interface Product { get @0 () -> (value :T); }
}
interface TextFactory extends(Factory(Text)) { more @0 () -> (); }
interface BoxFactory(V) extends(Factory(Box(V))) {}
