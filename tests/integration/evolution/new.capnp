@0xe1f0a9c4d2b38571;

using Moved = import "moved.capnp";

enum State { idle @0; busy @1; failed @2; }

struct Job { id @0 :Int32; name @1 :Text; note @2 :Text; extra :group { size @3 :Int32; } object @4 :Note; }
struct Task { state @0 :State; states @1 :List(State); }
struct Shape { union { none @0 :Void; circle @1 :Float64; square @2 :Float64; } }
struct Box { color @0 :Int32; content :union { empty @1 :Void; text @2 :Text; number @3 :Int32; } }
struct Place { name @0 :Text; at :group { street @1 :Text; town @4 :Text; } of :group { number @2 :Int32; } marks :group { tags @3 :List(Text); } }
struct Chosen { name @0 :Text; by :union { number @1 :Int32; text @2 :Text; } }
struct Number { value @0 :Int32; unit @1 :Text; }
struct Word { value @0 :Text; language @1 :Text; }
struct Row { numbers @0 :List(Number); texts @1 :List(Word); }
struct New @0xb0d1c2a3948576e1 { words @0 :Text; }

interface Named { name @0 () -> (name :Text); }
interface Note extends(Named) { text @0 () -> (text :Text); length @1 () -> (length :Int32); }
interface Listener { told @0 (text :Text, level :Int32) -> (count :Int32, was :Text); }
interface Base { added @0 () -> (text :Text); }

interface Evolving extends(Base) {
  field @0 (job :Job) -> (job :Job);
  jobs @1 (jobs :List(Job)) -> (jobs :List(Job));
  enumerant @2 (task :Task) -> (task :Task);
  state @3 (state :State) -> (state :State);
  member @4 (shape :Shape) -> (shape :Shape);
  named @5 (box :Box) -> (box :Box);
  group @6 (place :Place) -> (place :Place);
  union @7 (chosen :Chosen) -> (chosen :Chosen);
  lists @8 (row :Row) -> (row :Row);
  parameter @9 (first :Int32, second :Int32, text :Text = "t") -> (sum :Int32);
  result @10 (number :Int32) -> (number :Int32, text :Text);
  results @11 (number :Int32) -> (number :Int32, twice :Int32, thrice :Int32);
  nothing @12 () -> (text :Text);
  generic @13 (pair :Moved.Pair(Text)) -> (pair :Moved.Pair(Text));
  renamed @14 (new :New) -> (new :New);
  whole @15 Job -> Job;
  note @16 (job :Job) -> (note :Note);
  tell @17 (listener :Listener) -> (count :Int32);
  keeper @18 () -> (keeper :Moved.Keeper(Text));
  tone @19 (tone :Moved.Tone, tones :List(Moved.Tone)) -> (tone :Moved.Tone);
  count @20 () -> (count :UInt8);
  later @21 () -> (text :Text);
}
