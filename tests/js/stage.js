// The protocol as a play: what the page does, what the gateway says, what is written.
import assert from 'node:assert/strict';

import { Session } from '../../static/client/session.js';
import { FakeClock, HELLO_RESULT, messagesOf, withPrefix, withoutPrefix } from './fakes.js';

const PREFIX = 'p-';

export class Stage {
  clock = new FakeClock();
  frames = [];
  closed = undefined;
  states = [];
  settled = [];
  unclaimed = [];
  resets = [];
  released = [];
  losses = 0;
  callback = async () => ({ result: null, callbacks: [] });

  constructor(options = {}) {
    this.session = new Session(
      {
        state: (state) => this.states.push(state),
        reset: (reset) => this.resets.push(reset),
        callback: (name, method, params) => this.callback(name.replace(PREFIX, ''), method, params),
        settled: (callbacks, accepted) => this.settled.push([callbacks, accepted]),
        released: (params) => this.released.push(params),
        unclaimed: (result) => this.unclaimed.push(result),
        sessionLost: () => this.losses++,
      },
      { clock: this.clock, prefix: PREFIX, ...options },
    );
  }

  connect(hello = HELLO_RESULT) {
    this.frames = [];
    this.session.connected({
      send: (text) => this.frames.push(withoutPrefix(text, PREFIX)),
      unsent: () => 0,
      close: (code) => {
        this.closed = code;
        this.again = this.session.disconnected(code, '');
      },
    });
    if (hello) {
      this.says({ jsonrpc: '2.0', id: 0, result: hello });
      this.frames = [];
    }
    return this;
  }

  /** Go on with the stream over another socket. */
  resume({ received }) {
    this.connect(null);
    this.frames = [];
    this.says({ jsonrpc: '2.0', id: 0, result: { ...HELLO_RESULT, resumed: true, received } });
    return this;
  }

  says(...messages) {
    for (const message of messages) {
      this.session.received(JSON.stringify(withPrefix(message, PREFIX)));
    }
  }

  answers(id, result) {
    this.says({ jsonrpc: '2.0', id, result });
  }

  call(method, params = [], options = {}, more = {}) {
    const { callbacks = [], ...rest } = more;
    const promise = new Promise((resolve, reject) => {
      this.session.call({ prepare: () => ({ method, params, ...rest }), callbacks }, options, { resolve, reject });
    });
    promise.catch(() => {});
    return promise;
  }

  get written() {
    return messagesOf(this.frames).map(({ jsonrpc, ...message }) => {
      assert.equal(jsonrpc, '2.0');
      return message;
    });
  }
}
