@0xa8f1d0c3b2e49578;

struct Person { name @0 :Text; }
struct Box(T) {
  value @0 :T;
  next @1 :Box(T);
  type @2 :Text;
  kids @3 :List(Box(T));
  one :union { this @4 :T; that @5 :Text; }
}
struct Pair(A, B) { first @0 :A; second @1 :B; }

interface Store(T) {
  get @0 () -> (value :T);
  put @1 (value :T) -> ();
  box @2 () -> (box :Box(T));
  two @3 () -> (a :T, b :Int32);
  swap @4 [U] (value :U) -> (pair :Pair(T, U));
}
interface Shelf(X) extends(Store(X)) { top @0 () -> (x :X); }
interface Both extends(Store(Text), Shelf(Data)) { both @0 () -> (); }
