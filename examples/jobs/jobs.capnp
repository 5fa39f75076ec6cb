@0xc1d4e6f8a2b35970;
# Work that takes time: who submits it passes an object that is told of it, and so does who does it.

interface Queue {
  submit @0 (lines :List(Text), watcher :Watcher) -> (job :Job);
  # Counts the words of the lines when a worker is free.

  join @1 (worker :Worker) -> ();
  # Offers to do work, for as long as the connection stands.

  interface Watcher {
    progress @0 (percent :UInt8) -> ();
    done @1 (words :UInt32) -> ();
  }
  interface Worker {
    count @0 (line :Text) -> (words :UInt32);
  }
  interface Job {
    cancel @0 () -> ();
  }
}
