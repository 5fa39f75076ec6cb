@0xe1a2b3c4d5e6f701;
# What depot_capnp.py was made of.
annotation note @0xe1a2b3c4d5e6f708 (*) :Text;
const limit @0xe1a2b3c4d5e6f709 :Int32 = 40 $note("kilograms");
enum State { waiting @0 $note("first"); sent @1; }
struct Parcel @0xe1a2b3c4d5e6f70a {
  id @0 :UInt64;
  parts @1 :List(Part);
  comment @2 :Text = "fragile";
  union { street @3 :Text; locker @4 :Int8; }
  state @5 :State;
  size :group { width @6 :Int32; height @7 :Int32; }
  price :union { free @8 :Void; cents @9 :Int64; }
  label @10 :Box(Part).Label(Text);
  struct Part @0xe1a2b3c4d5e6f70b { name @0 :Text; weight @1 :UInt16; }
}
struct Box @0xe1a2b3c4d5e6f70c (T) {
  content @0 :T;
  more @1 :List(Box(T));
  struct Label @0xe1a2b3c4d5e6f70d (U) { outer @0 :T; inner @1 :U; }
}
interface Named @0xe1a2b3c4d5e6f70e { name @0 () -> (name :Text); }
interface Depot @0xe1a2b3c4d5e6f70f extends(Named) {
  send @0 (parcel :Parcel, copies :Int32 = 1) -> (sent :List(Parcel));
  weigh @1 Parcel -> Parcel.Part;
  count @2 () -> (waiting :Int32, sent :Int32);
  watch @3 (listener :Listener) -> (shelf :Shelf(Parcel)) $note("for ever");
  wrap @4 [X] (content :X) -> (box :Box(X));
  interface Listener @0xe1a2b3c4d5e6f710 { arrived @0 (parcel :Parcel) -> (); }
}
interface Shelf @0xe1a2b3c4d5e6f711 (T) { top @0 () -> (item :T); }
