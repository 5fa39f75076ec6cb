@0xe7a1b3c5d9f02468;
# A room in which everybody hears everybody.

struct Message {
  from @0 :Text;
  text @1 :Text;
}

interface Chat {
  enter @0 (name :Text, member :Member) -> (room :Room, said :List(Message));
  # Gives what was said last. The member hears the rest, until the room is let go.

  interface Member {
    said @0 (message :Message) -> ();
  }
  interface Room {
    say @0 (text :Text) -> ();
  }
}
