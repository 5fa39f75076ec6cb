@0xa27bb4029dfb45d0;
# What is asked of an abacus to see whether something between it and its callers works.

using Cxx = import "/capnp/c++.capnp";
using Abacus = import "abacus.capnp";
$Cxx.namespace("abacus");

interface Trials extends(Abacus.Abacus) {
  later @0 (number :Float64, milliseconds :UInt32) -> (value :Abacus.Value);
  # As `number`, but answers late, so that calls into the answer have to be there before it.

  wait @1 (milliseconds :UInt32) -> ();
  # Answers late. `Census` counts calls that wait, and those that were cancelled meanwhile.

  fail @2 (kind :Failure, reason :Text) -> ();
  # Fails with one of the kinds of exceptions that Cap'n Proto has.

  echo @3 (everything :Everything) -> (everything :Everything);
  # Gives back what it was given.

  echoAny @4 (any :AnyPointer) -> (any :AnyPointer);
  # Gives back what it was given, whatever that is.

  make @5 (count :UInt32) -> (values :List(Abacus.Value));
  # Makes values of the numbers from 0.

  keep @6 (value :Abacus.Value) -> ();
  # Keeps a value for whoever asks, until another one is kept. Nothing is kept when null is.

  kept @7 () -> (value :Abacus.Value);
  # Gives the value that is kept, or null.

  ours @8 (value :Abacus.Value) -> (ours :Bool);
  # Says whether a value is one of this service's own.

  greet @9 (name :Text = "world", wordCount :UInt16 = 2) -> (text :Text);
  # Has names of parameters that are also those of methods in libraries.

  census @10 () -> (census :Census);
  # Counts what is alive and what has passed. The call itself is counted.
}

enum Failure {
  failed @0;
  overloaded @1;
  disconnected @2;
  unimplemented @3;
}

struct Census {
  values @0 :UInt32;
  functions @1 :UInt32;
  tapes @2 :UInt32;
  subscriptions @3 :UInt32;
  connections @4 :UInt32;
  waiting @5 :UInt32;
  cancelled @6 :UInt64;
  # `wait` and `later` that were cancelled.

  received @7 :UInt64;
  # Messages of Cap'n Proto RPC that came, of any kind and over all connections.

  sent @8 :UInt64;
  calls @9 :UInt64;
  # Calls that came.

  pipelined @10 :UInt64;
  # Those of them whose object, or one of whose arguments, was the answer to a call and named as such.

  roundTrips @11 :UInt64;
  # How often a call came that was the first one after an answer had left over the same connection. Where answers are quick,
  # one may leave before calls come that had been sent without it; `later` gives them time.
}

enum Colour {
  red @0;
  green @1;
  blue @2;
}

struct Box(T) {
  value @0 :T;
}

struct Pair(A, B) {
  first @0 :A;
  second @1 :B;
}

struct Everything {
  # Has a field of each type.

  nothing @0 :Void;
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
  bytes @13 :Data;
  colour @14 :Colour;
  next @15 :Everything;
  value @16 :Abacus.Value;
  any @17 :AnyPointer;

  nothings @18 :List(Void);
  bools @19 :List(Bool);
  int8s @20 :List(Int8);
  int64s @21 :List(Int64);
  uint64s @22 :List(UInt64);
  float32s @23 :List(Float32);
  float64s @24 :List(Float64);
  texts @25 :List(Text);
  datas @26 :List(Data);
  colours @27 :List(Colour);
  everythings @28 :List(Everything);
  values @29 :List(Abacus.Value);
  grid @30 :List(List(Int32));

  trueByDefault @31 :Bool = true;
  sevenByDefault @32 :Int32 = -7;
  infinityByDefault @33 :Float64 = inf;
  greenByDefault @34 :Colour = green;
  textByDefault @35 :Text = "default";
  listByDefault @36 :List(Int16) = [1, -2, 3];
  boxByDefault @37 :Box(Text) = (value = "boxed");

  boxOfText @38 :Box(Text);
  boxOfBoxes @39 :Box(Box(Data));
  pair @40 :Pair(List(Text), Abacus.Value);

  address :group {
    street @41 :Text;
    number @42 :UInt16;
    place :group {
      code @43 :Text;
      country @44 :Colour;
    }
  }

  shape :union {
    point @45 :Void;
    circle @46 :Float64;
    square :group {
      side @47 :Float64;
      colour @48 :Colour;
    }
    label @49 :Text;
    made @50 :Abacus.Value;
  }

  union {
    none @51 :Void;
    flag @52 :Bool;
    word @53 :Text;
    list @54 :List(UInt8);
    inner @55 :Everything;
    either :group {
      left @56 :Text;
      right @57 :Data;
    }
  }
}
