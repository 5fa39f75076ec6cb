@0xb3c52f0b1d7ae4f1;
# What costs a gateway much: large values both ways, and objects.

struct Thing {
  name @0 :Text;
  count @1 :Int32;
  price @2 :Float64;
  inner @3 :Thing;
}

interface Heavy {
  add @0 (first :Int32, second :Int32) -> (result :Int32);
  takeNumbers @1 (numbers :List(Int32)) -> (count :UInt32);
  takeThings @2 (things :List(Thing)) -> (count :UInt32);
  takeAny @3 (any :AnyPointer) -> ();
  giveNumbers @4 (count :UInt32) -> (numbers :List(Int32));
  giveThings @5 (count :UInt32) -> (things :List(Thing));
  giveObjects @6 (count :UInt32) -> (objects :List(Box));
  box @7 () -> (box :Box);
  echoThings @8 (things :List(Thing)) -> (things :List(Thing));

  interface Box {
    open @0 () -> (box :Box);
  }
}
