@0xb87e9da4beb463a4;
# What the measured service does: nothing that takes time.

interface Calculator {
  add @0 (first :Int32, second :Int32) -> (result :Int32);

  another @1 () -> (calculator :Calculator);
  # Gives a new object.
}
