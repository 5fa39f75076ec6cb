// Counts what passes a connection, message by message, beneath the library that reads and writes it.

#pragma once

#include <capnp/rpc.capnp.h>
#include <capnp/serialize-async.h>
#include <kj/async-io.h>

struct Traffic {
  uint64_t received = 0;
  uint64_t sent = 0;
  uint64_t calls = 0;
  uint64_t pipelined = 0;
  uint64_t roundTrips = 0;
  uint32_t connections = 0;
};

class CountedStream final : public capnp::MessageStream {
 public:
  CountedStream(kj::Own<kj::AsyncIoStream> stream, Traffic& traffic)
      : stream_(kj::mv(stream)), messages_(*stream_), traffic_(traffic) {
    ++traffic_.connections;
  }
  ~CountedStream() { --traffic_.connections; }

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd> fdSpace,
                                                                    capnp::ReaderOptions options,
                                                                    kj::ArrayPtr<capnp::word> scratchSpace) override {
    return messages_.tryReadMessage(fdSpace, options, scratchSpace)
        .then([this](kj::Maybe<capnp::MessageReaderAndFds> message) {
          KJ_IF_MAYBE(read, message) { countReceived(read->reader->getRoot<capnp::rpc::Message>()); }
          return message;
        });
  }

  kj::Promise<void> writeMessage(kj::ArrayPtr<const int> fds,
                                 kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override {
    countSent(segments);
    return messages_.writeMessage(fds, segments);
  }

  kj::Promise<void> writeMessages(
      kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override {
    for (auto segments : messages) countSent(segments);
    return messages_.writeMessages(messages);
  }

  kj::Maybe<int> getSendBufferSize() override { return messages_.getSendBufferSize(); }
  kj::Promise<void> end() override { return messages_.end(); }

 private:
  void countReceived(capnp::rpc::Message::Reader message) {
    ++traffic_.received;
    if (message.isCall()) {
      ++traffic_.calls;
      if (namesAnswer(message.getCall())) ++traffic_.pipelined;
    } else if (!message.isBootstrap()) {
      return;
    }
    if (answered_) {
      ++traffic_.roundTrips;
      answered_ = false;
    }
  }

  static bool namesAnswer(capnp::rpc::Call::Reader call) {
    if (call.getTarget().isPromisedAnswer()) return true;
    for (auto capability : call.getParams().getCapTable()) {
      if (capability.isReceiverAnswer()) return true;
    }
    return false;
  }

  void countSent(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
    ++traffic_.sent;
    capnp::SegmentArrayMessageReader reader(segments);
    if (reader.getRoot<capnp::rpc::Message>().isReturn()) answered_ = true;
  }

  kj::Own<kj::AsyncIoStream> stream_;
  capnp::AsyncIoMessageStream messages_;
  Traffic& traffic_;
  // The first call is one round trip, although no answer led to it.
  bool answered_ = true;
};
