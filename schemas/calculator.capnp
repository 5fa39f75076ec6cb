@0x8776247ccba5ffbe;
# A small service with every kind of call: plain ones, several results, a returned object and a callback.

using Gateway = import "/gateway.capnp";

interface Calculator {
  # Calculates with whole numbers.

  add @0 (first :Int32, second :Int32) -> (result :Int32);
  # Adds two numbers. A sum that does not fit is `out_of_range`.

  divide @1 (dividend :Int32, divisor :Int32) -> (quotient :Int32, remainder :Int32) $Gateway.readOnly;
  # Divides with a remainder, which has the divisor's sign. Division by zero is `invalid_argument`.

  accumulator @2 (start :Int64 = 0) -> (accumulator :Accumulator);
  # Makes an accumulator, which lives until its holder releases it.

  map @3 (values :List(Int32), transform :Transform) -> (results :List(Int32));
  # Calls the caller's object once for each value, in order, and gives back what it answered.

  interface Accumulator {
    # A running total.

    add @0 (value :Int64) -> (total :Int64);
    # Adds to the total and gives the new one.

    value @1 () -> (total :Int64) $Gateway.readOnly;
    # Gives the total.

    reset @2 () -> () $Gateway.idempotent;
    # Sets the total to what it was at the start.
  }

  interface Transform {
    # An object of the caller's, such as a function in a web page.

    apply @0 (value :Int32) -> (result :Int32);
    # Turns one number into another.
  }
}
