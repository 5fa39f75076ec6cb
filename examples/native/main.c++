// Serves the abacus or the node at a socket: `native abacus unix:/tmp/abacus.sock`, `native node 127.0.0.1:0`.
// Prints `listening on ADDRESS` when it can be called.

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/debug.h>
#include <unistd.h>

#include <iostream>

#include "abacus.h"
#include "node.h"
#include "traffic.h"

namespace {

struct Connection {
  Connection(kj::Own<kj::AsyncIoStream> stream, Traffic& traffic, capnp::Capability::Client bootstrap)
      : stream(kj::mv(stream), traffic),
        network(this->stream, capnp::rpc::twoparty::Side::SERVER),
        system(capnp::makeRpcServer(network, kj::mv(bootstrap))) {}

  CountedStream stream;
  capnp::TwoPartyVatNetwork network;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> system;
};

class Service final : private kj::TaskSet::ErrorHandler {
 public:
  Service(Traffic& traffic, capnp::Capability::Client bootstrap)
      : traffic_(traffic), bootstrap_(kj::mv(bootstrap)), connections_(*this) {}

  kj::Promise<void> serve(kj::ConnectionReceiver& listener) {
    return listener.accept().then([this, &listener](kj::Own<kj::AsyncIoStream> stream) {
      auto connection = kj::heap<Connection>(kj::mv(stream), traffic_, bootstrap_);
      auto ended = connection->network.onDisconnect();
      connections_.add(ended.attach(kj::mv(connection)));
      return serve(listener);
    });
  }

 private:
  void taskFailed(kj::Exception&& exception) override { KJ_LOG(WARNING, exception); }

  Traffic& traffic_;
  capnp::Capability::Client bootstrap_;
  kj::TaskSet connections_;
};

int usage() {
  std::cerr << "usage: native abacus|node unix:/PATH|HOST:PORT" << std::endl;
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return usage();
  kj::StringPtr kind = argv[1], address = argv[2];
  auto io = kj::setupAsyncIo();
  auto& timer = io.provider->getTimer();
  Traffic traffic;
  capnp::Capability::Client bootstrap = nullptr;
  if (kind == "abacus") {
    bootstrap = makeAbacus(timer, traffic);
  } else if (kind == "node") {
    bootstrap = makeNode(timer);
  } else {
    return usage();
  }
  bool isUnix = address.startsWith("unix:");
  // A socket's file outlives its process, and would be in the way of the next one.
  if (isUnix) unlink(address.slice(5).cStr());
  auto listener = io.provider->getNetwork().parseAddress(address).wait(io.waitScope)->listen();
  std::cout << "listening on " << address.cStr();
  if (!isUnix) std::cout << " port " << listener->getPort();
  std::cout << std::endl;
  Service service(traffic, kj::mv(bootstrap));
  service.serve(*listener).wait(io.waitScope);
}
