#include "abacus.h"

#include <kj/debug.h>

#include <list>
#include <vector>

#include "cancellation.h"

namespace abacus {
namespace {

// Counts one object from its making to its end.
class Counted {
 public:
  explicit Counted(uint32_t& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  KJ_DISALLOW_COPY(Counted);

 private:
  uint32_t& count_;
};

// What the objects of one service share; it lives as long as the process.
struct Shared : private kj::TaskSet::ErrorHandler {
  Shared(kj::Timer& timer, Traffic& traffic) : timer(timer), traffic(traffic), tasks(*this) {}

  Value::Client value(double number);

  kj::Timer& timer;
  Traffic& traffic;
  kj::TaskSet tasks;
  capnp::CapabilityServerSet<Value> ours;
  std::list<Listener::Client> watchers;
  Value::Client kept = nullptr;
  bool keeps = false;
  uint64_t announcements = 0;
  uint64_t cancelled = 0;
  uint32_t values = 0;
  uint32_t functions = 0;
  uint32_t tapes = 0;
  uint32_t subscriptions = 0;
  uint32_t waiting = 0;

 private:
  void taskFailed(kj::Exception&& exception) override { KJ_LOG(ERROR, exception); }
};

double single(const std::vector<double>& stack) {
  KJ_REQUIRE(stack.size() == 1, "the steps must leave one number on the stack", stack.size());
  return stack.back();
}

double popped(std::vector<double>& stack) {
  KJ_REQUIRE(!stack.empty(), "the stack is empty");
  double number = stack.back();
  stack.pop_back();
  return number;
}

// One calculation under way. It owns a copy of the steps, as those of a call end with it.
class Calculation {
 public:
  Calculation(capnp::List<Step>::Reader steps, std::vector<double> parameters) : parameters_(kj::mv(parameters)) {
    message_.initRoot<capnp::AnyPointer>().setAs<capnp::List<Step>>(steps);
    steps_ = message_.getRoot<capnp::AnyPointer>().asReader().getAs<capnp::List<Step>>();
  }

  kj::Promise<double> run() {
    while (next_ < steps_.size()) {
      auto step = steps_[next_++];
      switch (step.which()) {
        case Step::PUSH:
          stack_.push_back(step.getPush());
          break;
        case Step::PARAMETER:
          KJ_REQUIRE(step.getParameter() < parameters_.size(), "no such parameter", step.getParameter(),
                     parameters_.size());
          stack_.push_back(parameters_[step.getParameter()]);
          break;
        case Step::VALUE:
          return step.getValue().readRequest().send().then([this](auto&& answer) {
            stack_.push_back(answer.getNumber());
            return run();
          });
        case Step::APPLY:
          return apply(step.getApply()).then([this](auto&& answer) {
            stack_.push_back(answer.getNumber());
            return run();
          });
      }
    }
    return single(stack_);
  }

 private:
  capnp::RemotePromise<Function::CallResults> apply(Step::Apply::Reader step) {
    auto request = step.getFunction().callRequest();
    KJ_REQUIRE(step.getArguments() <= stack_.size(), "fewer numbers on the stack than the function takes",
               step.getArguments(), stack_.size());
    auto numbers = request.initNumbers(step.getArguments());
    for (auto i = step.getArguments(); i > 0; --i) numbers.set(i - 1, popped(stack_));
    return request.send();
  }

  capnp::MallocMessageBuilder message_;
  capnp::List<Step>::Reader steps_;
  std::vector<double> parameters_;
  std::vector<double> stack_;
  uint32_t next_ = 0;
};

kj::Promise<double> calculate(capnp::List<Step>::Reader steps, std::vector<double> parameters) {
  auto calculation = kj::heap<Calculation>(steps, kj::mv(parameters));
  // Begun in a turn of its own, so that what it throws is a failed promise.
  auto& running = *calculation;
  return kj::evalLater([&running]() { return running.run(); }).attach(kj::mv(calculation));
}

class ValueImpl final : public Value::Server {
 public:
  ValueImpl(Shared& shared, double number) : shared_(shared), counted_(shared.values), number_(number) {}

  kj::Promise<void> describe(DescribeContext context) override {
    context.getResults().setText(kj::str("the number ", number_));
    return kj::READY_NOW;
  }

  kj::Promise<void> read(ReadContext context) override {
    context.getResults().setNumber(number_);
    return kj::READY_NOW;
  }

  kj::Promise<void> plus(PlusContext context) override {
    context.getResults().setValue(shared_.value(number_ + context.getParams().getNumber()));
    return kj::READY_NOW;
  }

  kj::Promise<void> add(AddContext context) override {
    return context.getParams().getOther().readRequest().send().then([this, context](auto&& answer) mutable {
      context.getResults().setValue(shared_.value(number_ + answer.getNumber()));
    });
  }

 private:
  Shared& shared_;
  Counted counted_;
  double number_;
};

Value::Client Shared::value(double number) { return ours.add(kj::heap<ValueImpl>(*this, number)); }

class BuiltIn final : public Function::Server {
 public:
  BuiltIn(Shared& shared, Operation operation) : counted_(shared.functions), operation_(operation) {}

  kj::Promise<void> describe(DescribeContext context) override {
    context.getResults().setText(kj::str(operation_));
    return kj::READY_NOW;
  }

  kj::Promise<void> call(CallContext context) override {
    auto numbers = context.getParams().getNumbers();
    uint32_t wanted = operation_ == Operation::NEGATE ? 1 : 2;
    KJ_REQUIRE(numbers.size() == wanted, "wrong number of numbers", numbers.size(), wanted);
    context.getResults().setNumber(result(numbers[0], numbers[wanted - 1]));
    return kj::READY_NOW;
  }

 private:
  double result(double left, double right) const {
    switch (operation_) {
      case Operation::ADD:
        return left + right;
      case Operation::SUBTRACT:
        return left - right;
      case Operation::MULTIPLY:
        return left * right;
      case Operation::DIVIDE:
        return left / right;
      case Operation::NEGATE:
        return -left;
    }
    KJ_FAIL_REQUIRE("no such operation", static_cast<uint16_t>(operation_));
  }

  Counted counted_;
  Operation operation_;
};

class Defined final : public Function::Server {
 public:
  Defined(Shared& shared, kj::StringPtr name, uint16_t parameters, capnp::List<Step>::Reader steps)
      : counted_(shared.functions), name_(kj::str(name)), parameters_(parameters) {
    message_.initRoot<capnp::AnyPointer>().setAs<capnp::List<Step>>(steps);
  }

  kj::Promise<void> describe(DescribeContext context) override {
    context.getResults().setText(kj::str(name_, ", of ", parameters_, " numbers"));
    return kj::READY_NOW;
  }

  kj::Promise<void> call(CallContext context) override {
    auto numbers = context.getParams().getNumbers();
    KJ_REQUIRE(numbers.size() == parameters_, "wrong number of numbers", numbers.size(), parameters_);
    auto steps = message_.getRoot<capnp::AnyPointer>().asReader().getAs<capnp::List<Step>>();
    std::vector<double> parameters;
    for (double number : numbers) parameters.push_back(number);
    return calculate(steps, kj::mv(parameters)).then([context](double number) mutable {
      context.getResults().setNumber(number);
    });
  }

 private:
  Counted counted_;
  kj::String name_;
  uint16_t parameters_;
  capnp::MallocMessageBuilder message_;
};

class SubscriptionImpl final : public Subscription::Server {
 public:
  SubscriptionImpl(Shared& shared, Listener::Client listener) : shared_(shared), counted_(shared.subscriptions) {
    shared_.watchers.push_front(kj::mv(listener));
    place_ = shared_.watchers.begin();
  }
  ~SubscriptionImpl() { end(); }

  kj::Promise<void> cancel(CancelContext context) override {
    end();
    return kj::READY_NOW;
  }

 private:
  void end() {
    if (listens_) shared_.watchers.erase(place_);
    listens_ = false;
  }

  Shared& shared_;
  Counted counted_;
  std::list<Listener::Client>::iterator place_;
  bool listens_ = true;
};

class TapeImpl final : public Tape::Server {
 public:
  TapeImpl(Shared& shared, kj::Duration pause) : shared_(shared), counted_(shared.tapes), pause_(pause) {}

  kj::Promise<void> write(WriteContext context) override {
    ++lines_;
    characters_ += context.getParams().getLine().size();
    if (pause_ == 0 * kj::NANOSECONDS) return kj::READY_NOW;
    return shared_.timer.afterDelay(pause_);
  }

  kj::Promise<void> end(EndContext context) override {
    context.getResults().setLines(lines_);
    context.getResults().setCharacters(characters_);
    return kj::READY_NOW;
  }

 private:
  Shared& shared_;
  Counted counted_;
  kj::Duration pause_;
  uint64_t lines_ = 0;
  uint64_t characters_ = 0;
};

// A call that answers late, and counts itself as cancelled if it ends before.
class Late {
 public:
  explicit Late(Shared& shared) : shared_(shared), counted_(shared.waiting) {}
  ~Late() {
    if (!done_) ++shared_.cancelled;
  }
  void done() { done_ = true; }

 private:
  Shared& shared_;
  Counted counted_;
  bool done_ = false;
};

class TrialsImpl final : public Trials::Server {
 public:
  TrialsImpl(kj::Timer& timer, Traffic& traffic) : shared_(timer, traffic) {}

  kj::Promise<void> evaluate(EvaluateContext context) override {
    return calculate(context.getParams().getSteps(), {}).then([this, context](double number) mutable {
      context.getResults().setValue(shared_.value(number));
    });
  }

  kj::Promise<void> number(NumberContext context) override {
    context.getResults().setValue(shared_.value(context.getParams().getNumber()));
    return kj::READY_NOW;
  }

  kj::Promise<void> operation(OperationContext context) override {
    context.getResults().setFunction(kj::heap<BuiltIn>(shared_, context.getParams().getOperation()));
    return kj::READY_NOW;
  }

  kj::Promise<void> define(DefineContext context) override {
    auto given = context.getParams();
    context.getResults().setFunction(
        kj::heap<Defined>(shared_, given.getName(), given.getParameters(), given.getSteps()));
    return kj::READY_NOW;
  }

  kj::Promise<void> statement(StatementContext context) override {
    auto promises = kj::heapArrayBuilder<kj::Promise<double>>(context.getParams().getEntries().size());
    for (auto entry : context.getParams().getEntries()) {
      double weight = entry.getWeight();
      promises.add(entry.getValue().readRequest().send().then(
          [weight](auto&& answer) { return weight * answer.getNumber(); }));
    }
    return kj::joinPromises(promises.finish()).then([this, context](kj::Array<double> numbers) mutable {
      auto statement = context.getResults().initStatement();
      statement.setTitle(context.getParams().getTitle());
      statement.setEntries(context.getParams().getEntries());
      double sum = 0;
      for (double number : numbers) sum += number;
      statement.getTotal().setValue(shared_.value(sum));
      statement.getTotal().setEntries(numbers.size());
    });
  }

  kj::Promise<void> tabulate(TabulateContext context) override {
    auto given = context.getParams();
    return tell(given.getFunction(), given.getRows(), given.getFrom(), given.getTo(), 0)
        .then([context](uint32_t count) mutable { context.getResults().setCount(count); });
  }

  kj::Promise<void> watch(WatchContext context) override {
    context.getResults().setSubscription(kj::heap<SubscriptionImpl>(shared_, context.getParams().getListener()));
    return kj::READY_NOW;
  }

  kj::Promise<void> announce(AnnounceContext context) override {
    auto given = context.getParams();
    context.getResults().setListeners(shared_.watchers.size());
    shared_.tasks.add(
        shared_.timer.afterDelay(given.getAfterMs() * kj::MILLISECONDS)
            .then([this, text = kj::str(given.getText()), number = ++shared_.announcements]() {
              for (auto& watcher : shared_.watchers) {
                auto request = watcher.announcedRequest();
                request.setText(text);
                request.setNumber(number);
                shared_.tasks.add(request.send().ignoreResult().catch_([](kj::Exception&&) {}));
              }
            }));
    return kj::READY_NOW;
  }

  kj::Promise<void> record(RecordContext context) override {
    context.getResults().setTape(
        kj::heap<TapeImpl>(shared_, context.getParams().getPauseUs() * kj::MICROSECONDS));
    return kj::READY_NOW;
  }

  kj::Promise<void> play(PlayContext context) override {
    return write(context.getParams().getTape(), 0, context.getParams().getLines()).then([context]() mutable {
      return context.getParams().getTape().endRequest().send().then([context](auto&& answer) mutable {
        context.getResults().setLines(answer.getLines());
        context.getResults().setCharacters(answer.getCharacters());
      });
    });
  }

  kj::Promise<void> divide(DivideContext context) override {
    auto given = context.getParams();
    KJ_REQUIRE(given.getDivisor() != 0, "the divisor is 0");
    context.getResults().setQuotient(given.getDividend() / given.getDivisor());
    context.getResults().setRemainder(given.getDividend() % given.getDivisor());
    return kj::READY_NOW;
  }

  kj::Promise<void> later(LaterContext context) override {
    allowCancellation(context);
    return late(context.getParams().getMilliseconds()).then([this, context]() mutable {
      context.getResults().setValue(shared_.value(context.getParams().getNumber()));
    });
  }

  kj::Promise<void> wait(WaitContext context) override {
    allowCancellation(context);
    return late(context.getParams().getMilliseconds());
  }

  kj::Promise<void> fail(FailContext context) override {
    kj::Exception::Type type;
    switch (context.getParams().getKind()) {
      case Failure::OVERLOADED:
        type = kj::Exception::Type::OVERLOADED;
        break;
      case Failure::DISCONNECTED:
        type = kj::Exception::Type::DISCONNECTED;
        break;
      case Failure::UNIMPLEMENTED:
        type = kj::Exception::Type::UNIMPLEMENTED;
        break;
      default:
        type = kj::Exception::Type::FAILED;
    }
    return kj::Exception(type, __FILE__, __LINE__, kj::str(context.getParams().getReason()));
  }

  kj::Promise<void> echo(EchoContext context) override {
    context.getResults().setEverything(context.getParams().getEverything());
    return kj::READY_NOW;
  }

  kj::Promise<void> echoAny(EchoAnyContext context) override {
    context.getResults().getAny().set(context.getParams().getAny());
    return kj::READY_NOW;
  }

  kj::Promise<void> make(MakeContext context) override {
    auto values = context.getResults().initValues(context.getParams().getCount());
    for (uint32_t i = 0; i < values.size(); ++i) values.set(i, shared_.value(i));
    return kj::READY_NOW;
  }

  kj::Promise<void> keep(KeepContext context) override {
    shared_.keeps = context.getParams().hasValue();
    shared_.kept = shared_.keeps ? context.getParams().getValue() : Value::Client(nullptr);
    return kj::READY_NOW;
  }

  kj::Promise<void> kept(KeptContext context) override {
    if (shared_.keeps) context.getResults().setValue(shared_.kept);
    return kj::READY_NOW;
  }

  kj::Promise<void> ours(OursContext context) override {
    auto value = kj::heap(context.getParams().getValue());
    auto found = shared_.ours.getLocalServer(*value);
    return found.then([context](kj::Maybe<Value::Server&> server) mutable {
      context.getResults().setOurs(server != nullptr);
    }).attach(kj::mv(value));
  }

  kj::Promise<void> greet(GreetContext context) override {
    auto given = context.getParams();
    auto words = kj::heapArray<kj::StringPtr>(given.getWordCount());
    for (size_t i = 0; i < words.size(); ++i) words[i] = i + 1 < words.size() ? "hello"_kj : given.getName();
    context.getResults().setText(kj::strArray(words, " "));
    return kj::READY_NOW;
  }

  kj::Promise<void> census(CensusContext context) override {
    auto census = context.getResults().initCensus();
    census.setValues(shared_.values);
    census.setFunctions(shared_.functions);
    census.setTapes(shared_.tapes);
    census.setSubscriptions(shared_.subscriptions);
    census.setWaiting(shared_.waiting);
    census.setCancelled(shared_.cancelled);
    census.setConnections(shared_.traffic.connections);
    census.setReceived(shared_.traffic.received);
    census.setSent(shared_.traffic.sent);
    census.setCalls(shared_.traffic.calls);
    census.setPipelined(shared_.traffic.pipelined);
    census.setRoundTrips(shared_.traffic.roundTrips);
    return kj::READY_NOW;
  }

 private:
  kj::Promise<void> late(uint32_t milliseconds) {
    auto late = kj::heap<Late>(shared_);
    auto& waiting = *late;
    return shared_.timer.afterDelay(milliseconds * kj::MILLISECONDS)
        .then([&waiting]() { waiting.done(); })
        .attach(kj::mv(late));
  }

  static kj::Promise<uint32_t> tell(Function::Client function, Rows::Client rows, int64_t x, int64_t to,
                                    uint32_t told) {
    if (x > to) return told;
    auto request = function.callRequest();
    request.initNumbers(1).set(0, x);
    return request.send().then([=](auto&& answer) mutable {
      auto row = rows.rowRequest();
      row.setX(x);
      row.setY(answer.getNumber());
      return row.send().then([=](auto&& reply) mutable -> kj::Promise<uint32_t> {
        if (!reply.getMore()) return told + 1;
        return tell(kj::mv(function), kj::mv(rows), x + 1, to, told + 1);
      });
    });
  }

  static kj::Promise<void> write(Tape::Client tape, uint64_t number, uint64_t lines) {
    if (number == lines) return kj::READY_NOW;
    auto request = tape.writeRequest();
    request.setLine(kj::str("line ", number));
    return request.send().then([tape, number, lines]() mutable { return write(kj::mv(tape), number + 1, lines); });
  }

  Shared shared_;
};

}  // namespace
}  // namespace abacus

capnp::Capability::Client makeAbacus(kj::Timer& timer, Traffic& traffic) {
  return kj::heap<abacus::TrialsImpl>(timer, traffic);
}
