@0xe1f0a9c4d2b38571;

enum State { idle @0; busy @1; }

struct Job { id @0 :Int32; name @1 :Text; }
struct Task { state @0 :State; states @1 :List(State); }
struct Shape { union { none @0 :Void; circle @1 :Float64; } }
struct Box { color @0 :Int32; content :union { empty @1 :Void; text @2 :Text; } }
struct Place { name @0 :Text; street @1 :Text; number @2 :Int32; tags @3 :List(Text); }
struct Chosen { name @0 :Text; number @1 :Int32; }
struct Row { numbers @0 :List(Int32); texts @1 :List(Text); }
struct Pair @0x8a1f0c7de2b45936 { first @0 :Text; second @1 :Text; }
struct Old @0xb0d1c2a3948576e1 { text @0 :Text; }

enum Tone @0xb7c2d1e0f3a49586 { low @0; high @1; }
interface Keeper @0x9d8e7f6a5b4c3d2e { keep @0 (text :Text) -> (text :Text); }
interface Note { text @0 () -> (text :Text); }
interface Listener { told @0 (text :Text) -> (count :Int32); }

interface Evolving {
  field @0 (job :Job) -> (job :Job);
  jobs @1 (jobs :List(Job)) -> (jobs :List(Job));
  enumerant @2 (task :Task) -> (task :Task);
  state @3 (state :State) -> (state :State);
  member @4 (shape :Shape) -> (shape :Shape);
  named @5 (box :Box) -> (box :Box);
  group @6 (place :Place) -> (place :Place);
  union @7 (chosen :Chosen) -> (chosen :Chosen);
  lists @8 (row :Row) -> (row :Row);
  parameter @9 (first :Int32) -> (sum :Int32);
  result @10 (number :Int32) -> (number :Int32);
  results @11 (number :Int32) -> (number :Int32, twice :Int32);
  nothing @12 () -> ();
  generic @13 (pair :Pair) -> (pair :Pair);
  renamed @14 (old :Old) -> (old :Old);
  whole @15 Job -> Job;
  note @16 (job :Job) -> (note :Note);
  tell @17 (listener :Listener) -> (count :Int32);
  keeper @18 () -> (keeper :Keeper);
  tone @19 (tone :Tone, tones :List(Tone)) -> (tone :Tone);
  count @20 () -> ();
}
