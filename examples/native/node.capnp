@0xe6d3f0a4c9b15782;
# A program in the shape that libmultiprocess gives to C++ programs: a bootstrap object that is asked once for threads, and
# methods that each take a context, which says on which of the program's threads they run.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("node");

interface Node {
  # The bootstrap object.

  construct @0 (threadMap :ThreadMap) -> (threadMap :ThreadMap);
  # Exchanges the two sides' ways to make threads. Who is never called back brings null.

  makeChain @1 (context :Context) -> (chain :Chain);
  # Gives the object that answers questions.
}

interface ThreadMap {
  makeThread @0 (name :Text) -> (thread :Thread);
}

interface Thread {
  getName @0 () -> (name :Text);
}

struct Context {
  thread @0 :Thread;
  # Where the method runs: a thread that the called side's ThreadMap made. Without one, or with another side's, the call fails.

  callbackThread @1 :Thread;
  # Where the caller wants to be called back.
}

struct Block {
  height @0 :Int32;
  hash @1 :Data;
  threadName @2 :Text;
  # The name of the thread that the call ran on.
}

interface Chain {
  getTip @0 (context :Context) -> (block :Block);
  # Gives the newest block.

  waitForBlock @1 (context :Context, height :Int32, timeoutMs :UInt32) -> (block :Block);
  # Answers when there is a block of that height, at latest after the time; then with the newest.

  mine @2 (context :Context) -> (block :Block);
  # Makes a block.

  follow @3 (context :Context, notifications :Notifications) -> (handler :Handler);
  # Tells of new blocks until the handler is released.

  destroy @4 (context :Context) -> ();
}

interface Notifications {
  blockConnected @0 (context :Context, block :Block) -> ();
  # Called with a context of its own: its thread is the `callbackThread` of `follow`, null if there was none.
}

interface Handler {
  disconnect @0 (context :Context) -> ();
}
