@0xd4c9b2a1f0e3d587;
# Reference schema for wire conformance vectors.

enum Color { red @0; green @1; blue @2; class @3; }

struct Address {
  lines :group {
    line1 @0 :Text;
    line2 @1 :Text;
  }
  state @2 :Text;
}

struct Person {
  name @0 :Text;
  phoneNumber @1 :Text;
  addresses @2 :List(Address);
  boss @3 :Person;
}

struct Shape {
  label @0 :Text = "unnamed";
  union {
    circle @1 :Float64;
    square @2 :Float64;
    nothing @3 :Void;
  }
  kind :union {
    a @4 :Int32;
    b @5 :Text;
  }
  after @6 :Int16 = 7;
}

struct AllTypes {
  void @0 :Void;
  bool @1 :Bool;
  int8 @2 :Int8;
  int16 @3 :Int16;
  int32 @4 :Int32;
  int64 @5 :Int64;
  uint8 @6 :UInt8;
  uint16 @7 :UInt16;
  uint32 @8 :UInt32;
  uint64 @9 :UInt64;
  float32 @10 :Float32;
  float64 @11 :Float64;
  text @12 :Text;
  data @13 :Data;
  list @14 :List(Int32);
  nestedList @15 :List(List(Text));
  color @16 :Color;
  person @17 :Person;
  people @18 :List(Person);
  any @19 :AnyPointer;
  colors @20 :List(Color);
  datas @21 :List(Data);
  iface @22 :Counter;
}

struct Box(T) {
  value @0 :T;
  next @1 :Box(T);
}

struct Pair(A, B) {
  first @0 :A;
  second @1 :B;
}

interface Counter {
  increment @0 (by :Int32) -> (value :Int32);
  clone @1 () -> (counter :Counter);
}

interface Callback {
  notify @0 (text :Text) -> (ack :Text);
}

interface Base {
  baseMethod @0 (x :Int32) -> (x :Int32);
  overlapped @1 () -> (who :Text);
}

interface Derived extends(Base) {
  derivedMethod @0 (x :Int32) -> (x :Int32);
  overlapped @1 () -> (who :Text);
}

interface Everything {
  ping @0 () -> ();
  add @1 (first :Int32, second :Int32) -> (result :Int32);
  greet @2 (person :Person) -> (greeting :Text);
  byStruct @3 Person -> Person;
  divMod @4 (a :Int32, b :Int32) -> (q :Int32, r :Int32);
  echoAll @5 (value :AllTypes) -> (value :AllTypes);
  color @6 (c :Color) -> (c :Color);
  fail @7 (how :Text) -> ();
  getCounter @8 (start :Int32) -> (counter :Counter);
  subscribe @9 (cb :Callback) -> (status :Text);
  useCounter @10 (counter :Counter, by :Int32) -> (value :Int32);
  putCounter @11 (counter :Counter) -> ();
  takeCounter @12 () -> (counter :Counter);
  shape @13 (s :Shape) -> (s :Shape);
  boxText @14 (box :Box(Text)) -> (box :Box(Text));
  boxPerson @15 (box :Box(Person)) -> (box :Box(Person));
  generic @16 [X] (value :X) -> (value :X);
  anything @17 (value :AnyPointer) -> (value :AnyPointer);
  getDerived @18 () -> (derived :Derived);
  data @19 (d :Data) -> (d :Data);
  text @20 (t :Text) -> (t :Text);
  list @21 (l :List(Person)) -> (l :List(Person));
  void @22 (v :Void) -> (v :Void);
  structOut @23 () -> Person;
  counterInStruct @24 () -> AllTypes;
  slow @25 (seconds :Float64) -> (done :Bool);
  echoBack @26 (cb :Callback) -> (cb :Callback);
  big @27 (n :UInt64) -> (n :UInt64);
}

const answer :Int32 = 42;
const people :List(Person) = [(name = "A", phoneNumber = "1"), (name = "B")];
annotation note @0xa2b1c3d4e5f60718 (*) :Text;
