#include "node.h"

#include <kj/debug.h>

#include <list>

#include "cancellation.h"
#include "node.capnp.h"

namespace node {
namespace {

// In libmultiprocess a thread of the operating system. Here a name, as what matters is who has to be named in a call.
class ThreadImpl final : public Thread::Server {
 public:
  explicit ThreadImpl(kj::StringPtr name) : name_(kj::str(name)) {}

  kj::Promise<void> getName(GetNameContext context) override {
    context.getResults().setName(name_);
    return kj::READY_NOW;
  }

  kj::StringPtr name() const { return name_; }

 private:
  kj::String name_;
};

struct Follower {
  Notifications::Client notifications;
  Thread::Client callbackThread;
  bool hasCallbackThread;
};

struct Shared : private kj::TaskSet::ErrorHandler {
  explicit Shared(kj::Timer& timer) : timer(timer), tasks(*this) {}

  // The name of the thread that a context asks for, which has to be one of ours.
  kj::Promise<kj::String> threadOf(Context::Reader context) {
    KJ_REQUIRE(context.hasThread(), "the context names no thread: ask construct() for threads");
    auto thread = kj::heap(context.getThread());
    auto found = threads.getLocalServer(*thread);
    return found
        .then([](kj::Maybe<Thread::Server&> server) {
          return kj::str(kj::downcast<ThreadImpl>(KJ_REQUIRE_NONNULL(server, "the thread is not this side's")).name());
        })
        .attach(kj::mv(thread));
  }

  void fill(Block::Builder block, kj::StringPtr threadName) const {
    block.setHeight(height);
    auto hash = block.initHash(32);
    for (size_t i = 0; i < hash.size(); ++i) hash[i] = static_cast<kj::byte>(height >> (8 * (i % 4)));
    block.setThreadName(threadName);
  }

  kj::Timer& timer;
  kj::TaskSet tasks;
  capnp::CapabilityServerSet<Thread> threads;
  std::list<Follower> followers;
  std::list<kj::Own<kj::PromiseFulfiller<void>>> waiting;
  int32_t height = 0;

 private:
  void taskFailed(kj::Exception&& exception) override { KJ_LOG(ERROR, exception); }
};

class ThreadMapImpl final : public ThreadMap::Server {
 public:
  explicit ThreadMapImpl(Shared& shared) : shared_(shared) {}

  kj::Promise<void> makeThread(MakeThreadContext context) override {
    context.getResults().setThread(shared_.threads.add(kj::heap<ThreadImpl>(context.getParams().getName())));
    return kj::READY_NOW;
  }

 private:
  Shared& shared_;
};

class HandlerImpl final : public Handler::Server {
 public:
  HandlerImpl(Shared& shared, Follower follower) : shared_(shared) {
    shared_.followers.push_front(kj::mv(follower));
    place_ = shared_.followers.begin();
  }
  ~HandlerImpl() { end(); }

  kj::Promise<void> disconnect(DisconnectContext context) override {
    return shared_.threadOf(context.getParams().getContext()).then([this](kj::String) { end(); });
  }

 private:
  void end() {
    if (follows_) shared_.followers.erase(place_);
    follows_ = false;
  }

  Shared& shared_;
  std::list<Follower>::iterator place_;
  bool follows_ = true;
};

class ChainImpl final : public Chain::Server {
 public:
  explicit ChainImpl(Shared& shared) : shared_(shared) {}

  kj::Promise<void> getTip(GetTipContext context) override {
    return shared_.threadOf(context.getParams().getContext()).then([this, context](kj::String thread) mutable {
      shared_.fill(context.getResults().initBlock(), thread);
    });
  }

  kj::Promise<void> waitForBlock(WaitForBlockContext context) override {
    allowCancellation(context);
    return shared_.threadOf(context.getParams().getContext()).then([this, context](kj::String thread) mutable {
      auto given = context.getParams();
      return reached(given.getHeight())
          .exclusiveJoin(shared_.timer.afterDelay(given.getTimeoutMs() * kj::MILLISECONDS))
          .then([this, context, thread = kj::mv(thread)]() mutable {
            shared_.fill(context.getResults().initBlock(), thread);
          });
    });
  }

  kj::Promise<void> mine(MineContext context) override {
    return shared_.threadOf(context.getParams().getContext()).then([this, context](kj::String thread) mutable {
      ++shared_.height;
      for (auto& waiting : shared_.waiting) waiting->fulfill();
      shared_.waiting.clear();
      for (auto& follower : shared_.followers) {
        auto request = follower.notifications.blockConnectedRequest();
        if (follower.hasCallbackThread) request.initContext().setThread(follower.callbackThread);
        shared_.fill(request.initBlock(), thread);
        shared_.tasks.add(request.send().ignoreResult().catch_([](kj::Exception&&) {}));
      }
      shared_.fill(context.getResults().initBlock(), thread);
    });
  }

  kj::Promise<void> follow(FollowContext context) override {
    return shared_.threadOf(context.getParams().getContext()).then([this, context](kj::String) mutable {
      auto given = context.getParams();
      context.getResults().setHandler(kj::heap<HandlerImpl>(
          shared_, Follower{given.getNotifications(), given.getContext().getCallbackThread(),
                            given.getContext().hasCallbackThread()}));
    });
  }

  kj::Promise<void> destroy(DestroyContext context) override {
    return shared_.threadOf(context.getParams().getContext()).ignoreResult();
  }

 private:
  kj::Promise<void> reached(int32_t height) {
    if (shared_.height >= height) return kj::READY_NOW;
    auto pair = kj::newPromiseAndFulfiller<void>();
    shared_.waiting.remove_if([](auto& other) { return !other->isWaiting(); });
    shared_.waiting.push_back(kj::mv(pair.fulfiller));
    return pair.promise.then([this, height]() { return reached(height); });
  }

  Shared& shared_;
};

class NodeImpl final : public Node::Server {
 public:
  explicit NodeImpl(kj::Timer& timer) : shared_(timer) {}

  kj::Promise<void> construct(ConstructContext context) override {
    context.getResults().setThreadMap(kj::heap<ThreadMapImpl>(shared_));
    return kj::READY_NOW;
  }

  kj::Promise<void> makeChain(MakeChainContext context) override {
    return shared_.threadOf(context.getParams().getContext()).then([this, context](kj::String) mutable {
      context.getResults().setChain(kj::heap<ChainImpl>(shared_));
    });
  }

 private:
  Shared shared_;
};

}  // namespace
}  // namespace node

capnp::Capability::Client makeNode(kj::Timer& timer) { return kj::heap<node::NodeImpl>(timer); }
