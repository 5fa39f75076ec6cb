@0xd5c7a0b1e9f24683;

struct Pair @0x8a1f0c7de2b45936 (T) { first @0 :T; second @1 :Text; }
