@0xd2b1f4c8a9e37615;
# What a native service is tried with: served by workshop_service.py through pycapnp.

interface Workshop {
  add @0 (first :Int32, second :Int32 = 7) -> (result :Int32);
  divide @1 (first :Int32, second :Int32) -> (quotient :Int32, remainder :Int32);
  counter @2 (start :Int64) -> (counter :Counter);
  factory @3 () -> (factory :Factory);
  total @4 (entries :List(Entry)) -> (total :Int64);
  # Asks each counter for its value: objects within structs within a list.
  watch @5 (listener :Listener, times :UInt32) -> (answers :List(Text));
  # Calls the listener before it answers.
  keep @6 (listener :Listener) -> ();
  poke @7 (text :Text) -> (answer :Text);
  # Calls the listener that was kept.
  drop @8 () -> ();
  echo @9 (thing :Thing) -> (thing :Thing);
  echoAny @10 (any :AnyPointer) -> (any :AnyPointer);
  fail @11 (how :Text) -> ();
  upload @12 (chunk :Data) -> stream;
  uploaded @13 () -> (chunks :UInt64, bytes :UInt64);
  wait @14 (milliseconds :UInt32) -> ();
  tally @15 () -> (counters :UInt32, cancelled :UInt32, calls :UInt64);
  # How many counters are alive, and how many waits were cancelled.
  nothing @16 (listener :Listener) -> (listener :Listener);
  # Gives the object back that it was given.
  many @17 (count :UInt32) -> (counters :List(Counter));
  self @18 () -> (workshop :Workshop);
  pair @19 Thing -> Thing;
}

interface Counter {
  value @0 () -> (value :Int64);
  add @1 (amount :Int64) -> (counter :Counter);
  next @2 () -> (counter :Counter);
}

interface Factory {
  make @0 (start :Int64) -> (entry :Entry);
}

interface Listener {
  changed @0 (text :Text, number :Int32) -> (answer :Text);
}

struct Entry {
  name @0 :Text;
  counter @1 :Counter;
}

enum Colour { red @0; green @1; blue @2; }

struct Thing {
  flag @0 :Bool = true;
  small @1 :Int8 = -5;
  large @2 :UInt64 = 18446744073709551615;
  ratio @3 :Float64 = 0.5;
  name @4 :Text;
  blob @5 :Data;
  colour @6 :Colour = green;
  parts @7 :List(Thing);
  grid @8 :List(List(Int16));
  shape :union {
    none @9 :Void;
    circle @10 :Float32;
    label @11 :Text;
    box :group {
      width @12 :UInt16;
      height @13 :UInt16 = 3;
    }
    thing @14 :Thing;
  }
  listener @15 :Listener;
  boxed @16 :Box(Text);
  bits @17 :List(Bool);
}

struct Box(T) {
  value @0 :T;
  next @1 :Box(T);
}
