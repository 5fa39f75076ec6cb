@0xd8c2b4a6f1e35790;

interface Counter {
  increase @0 (by :Int32 = 1) -> (value :Int32);
  watch @1 (listener :Listener) -> (subscription :Subscription);
  # Tells the listener the value, now and after each change.

  interface Listener {
    changed @0 (value :Int32) -> ();
  }
  interface Subscription {
    cancel @0 () -> ();
  }
}
