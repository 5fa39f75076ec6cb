@0xb1c5a3f0d2e4968b;

using Json = import "/capnp/compat/json.capnp";

interface Specification {
  # The methods that the examples of the JSON-RPC 2.0 specification call.

  subtract @0 (minuend :Int32, subtrahend :Int32) -> (difference :Int32);
  update @1 (a :Int32, b :Int32, c :Int32, d :Int32, e :Int32) -> ();
  sum @2 (a :Int32, b :Int32, c :Int32) -> (total :Int32);
  notifyHello @3 (number :Int32) -> () $Json.name("notify_hello");
  getData @4 () -> (text :Text, number :Int32) $Json.name("get_data");
  seen @5 () -> (notifications :List(Text));
  # What came in update and notify_hello.
}
