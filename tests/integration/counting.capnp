@0xc4f1d1c8a1e0b7d3;

using Gateway = import "/gateway.capnp";

interface Counting {
  count @0 () -> (calls :UInt32, processId :UInt32);
  # How many calls of the other methods have ever begun, in this process and in those before it.

  slow @1 (milliseconds :UInt32) -> (done :Bool);
  # Answers after that time.

  again @2 (milliseconds :UInt32) -> (calls :UInt32) $Gateway.idempotent;
  # The same, but may be repeated.

  crash @3 () -> ();
  # Fails with an exception that no caller is meant to see.

  big @4 (size :UInt32) -> (text :Text);
  # A text of that many characters.

  object @5 () -> (object :Object);
  # An object.

  short @6 (milliseconds :UInt32) -> () $Gateway.timeout(100);
  # As slow, with a deadline of its own.

  anything @7 (value :AnyPointer) -> (value :AnyPointer);
  # Gives back what it is given.

  secret @8 () -> () $Gateway.hidden;

  released @9 () -> (objects :UInt32);
  # How many objects were let go.

  cancelled @10 () -> (calls :UInt32);
  # How many calls of slow were given up by their caller.

  flood @11 (listener :Listener, calls :UInt32, size :UInt32) -> (failed :UInt32);
  # Calls the listener so often at once, with texts of that many characters; how many of the calls failed.

  listen @12 (adder :Adder) -> ();
  # From now on the adder is called with every number that is added.

  add @13 (number :UInt32) -> (calls :UInt32);
  # Which call of this method it was.

  sum @14 () -> (calls :UInt32, sum :UInt64, heard :UInt32, objects :UInt32);
  # Of the numbers that were added; how often an adder has answered; how many adders there are.

  floats @15 (numbers :List(Float64), text :Text, halver :Halver) -> (numbers :List(Float32), text :Text, half :Float64);
  # Gives back what it is given, and what the halver makes of the first number.

  interface Halver {
    half @0 (number :Float64) -> (half :Float64);
  }

  interface Adder {
    added @0 (number :UInt32) -> ();
  }

  interface Listener {
    told @0 (text :Text) -> ();
  }

  interface Object {
    name @0 () -> (name :Text);

    processId @1 () -> (processId :UInt32);
    # Of the process that has it.
  }
}
