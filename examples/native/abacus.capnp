@0x806d2576a2fc22cb;
# A calculator that speaks native Cap'n Proto RPC: its numbers and its functions are capabilities, so that what is calculated
# can be called into, and handed on, before it has come.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("abacus");

interface Abacus {
  # Calculates with numbers that stay where they are.

  evaluate @0 (steps :List(Step)) -> (value :Value);
  # Goes through the steps with a stack, as calculators with reverse Polish notation do, and gives what lies on it at the end.
  # Fails unless that is exactly one number.

  number @1 (number :Float64) -> (value :Value);
  # Makes a value of a number.

  operation @2 (operation :Operation) -> (function :Function);
  # Gives one of the functions that are built in.

  define @3 (name :Text, parameters :UInt16, steps :List(Step)) -> (function :Function);
  # Makes a function of steps; in them `parameter` puts one of its parameters on the stack.

  statement @4 (title :Text, entries :List(Entry)) -> (statement :Statement);
  # Adds up values by their weights. The entries, with the values in them, come back as they were.

  tabulate @5 (function :Function, from :Int32 = 1, to :Int32, rows :Rows) -> (count :UInt32);
  # Calls the function for each whole number of the range, and the caller's object with each result, all of it before it answers.

  watch @6 (listener :Listener) -> (subscription :Subscription);
  # Tells the listener of announcements until the subscription is released or cancelled.

  announce @7 (text :Text, afterMs :UInt32) -> (listeners :UInt32);
  # Answers at once with how many listen now. Those who listen `afterMs` milliseconds later are told; whether they fail is nobody's concern.

  record @8 (pauseUs :UInt32) -> (tape :Tape);
  # Gives a tape to write on, which takes as many microseconds for a line.

  play @9 (lines :UInt64, tape :Tape) -> (lines :UInt64, characters :UInt64);
  # Writes as many lines on the caller's tape, ends it, and gives what its end said.

  divide @10 (dividend :Int64, divisor :Int64 = 3) -> (quotient :Int64, remainder :Int64);
  # Divides whole numbers. Fails for a divisor of 0.
}

enum Operation {
  add @0;
  subtract @1;
  multiply @2;
  divide @3;
  negate @4;
}

struct Step {
  # One step of a calculation.

  union {
    push @0 :Float64;
    # Puts a number on the stack.

    value @1 :Value;
    # Reads a value and puts its number on the stack.

    parameter @2 :UInt16;
    # Puts a parameter of the function that is defined on the stack, counted from 0.

    apply :group {
      # Takes as many numbers off the stack as the function is given, and puts its result there.

      function @3 :Function;
      arguments @4 :UInt16;
    }
  }
}

interface Described {
  # What can say what it is.

  describe @0 () -> (text :Text);
}

interface Value extends(Described) {
  # A number that stays at the service.

  read @0 () -> (number :Float64);
  # Gives the number.

  plus @1 (number :Float64 = 1) -> (value :Value);
  # Gives a new value that is greater by a number.

  add @2 (other :Value) -> (value :Value);
  # Gives the sum of two values, as a value.
}

interface Function extends(Described) {
  # A function of numbers; callers may bring their own.

  call @0 (numbers :List(Float64)) -> (number :Float64);
}

interface Rows {
  # What is told of the rows of a table.

  row @0 (x :Int32, y :Float64) -> (more :Bool = true);
  # Called in order; `false` ends the table.
}

struct Entry {
  label @0 :Text;
  value @1 :Value;
  weight @2 :Float64 = 1;
}

struct Statement {
  title @0 :Text;
  total :group {
    value @1 :Value;
    entries @2 :UInt32;
  }
  entries @3 :List(Entry);
}

interface Listener {
  announced @0 (text :Text, number :UInt64) -> ();
}

interface Subscription {
  cancel @0 () -> ();
}

interface Tape {
  # Takes a stream of lines.

  write @0 (line :Text) -> stream;
  end @1 () -> (lines :UInt64, characters :UInt64);
}
