@0xa4b1f7c2d3e40591;
# An order of fifty items: a value of about five kilobytes for the codec.

struct Order {
  number @0 :UInt32;
  customer @1 :Text;
  street @2 :Text;
  city @3 :Text;
  zip @4 :Text;
  country @5 :Country;
  paid @6 :Bool;
  express @7 :Bool;
  gift @8 :Bool;
  weight @9 :Float64;
  discount @10 :Float32;
  created @11 :Int64;
  changed @12 :Int64;
  currency @13 :Text;
  note @14 :Text;
  tags @15 :List(Text);
  ratings @16 :List(UInt8);
  priority @17 :Int8;
  total @18 :Int32;
  items @19 :List(Item);
}

struct Item {
  name @0 :Text;
  count @1 :UInt16;
  price @2 :Int32;
  taxed @3 :Bool;
  weight @4 :Float64;
}

enum Country {
  de @0;
  fr @1;
  it @2;
}
