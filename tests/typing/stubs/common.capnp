@0xa1b7c3d9e5f20864;

struct Person { name @0 :Text; age @1 :UInt16; }
