@0xa8f1d0c3b2e49576;

struct Odd { number @0 :Int32; }
