@0xd4c9b2a1f0e3d601;
# What the other test schemas import.

struct Point { x @0 :Int32; y @1 :Int32; }
enum Size { small @0; large @1; }
