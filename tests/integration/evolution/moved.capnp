@0xd5c7a0b1e9f24683;

struct Pair @0x8a1f0c7de2b45936 (T) { first @0 :T; second @1 :Text; }
enum Tone @0xb7c2d1e0f3a49586 { low @0; high @1; }
interface Keeper @0x9d8e7f6a5b4c3d2e (T) { keep @0 (text :T) -> (text :T); }
