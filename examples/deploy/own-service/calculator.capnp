@0xd3f2a9c1b7e84066;

interface Calculator {
  add @0 (first :Int32, second :Int32) -> (result :Int32);
}
