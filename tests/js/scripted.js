// A client whose gateway is the test: it reads what the client wrote and says what the gateway would.
import { Gateway } from '../../static/client/gateway.js';
import { FakeClock, HELLO_RESULT, fakeWebSocketClass, messagesOf, settle } from './fakes.js';

export class Scripted {
  clock = new FakeClock();
  WebSocket = fakeWebSocketClass();

  constructor(hello = HELLO_RESULT) {
    this.gateway = new Gateway('ws://gateway/ws', this.WebSocket, { clock: this.clock, random: () => 1 });
    this.accept(hello);
  }

  accept(hello = HELLO_RESULT) {
    this.WebSocket.latest.emit('open', {});
    this.says({ id: 0, result: hello });
    this.WebSocket.latest.frames = [];
  }

  cut() {
    this.WebSocket.latest.emit('close', { code: 1006, reason: '' });
  }

  /** The connection is there again and the gateway, which has received so many messages, goes on with the stream. */
  comeBack(received = this.WebSocket.counted) {
    this.WebSocket.lost += this.WebSocket.counted - received;
    this.clock.advance(200);
    this.accept({ ...HELLO_RESULT, resumed: true, received });
  }

  /** The connection is there again and the gateway has lost the stream. */
  comeBackTo(session) {
    this.clock.advance(200);
    this.WebSocket.latest.emit('open', {});
    this.says({ id: 0, error: { code: -32005, message: 'no such session', data: { code: 'not_found' } } });
    this.says({ id: 0, result: { ...HELLO_RESULT, session } });
    this.WebSocket.latest.frames = [];
  }

  says(message) {
    this.WebSocket.latest.emit('message', { data: JSON.stringify({ jsonrpc: '2.0', ...message }) });
  }

  async answers(id, result) {
    await settle();
    this.says({ id, result });
    await settle();
  }

  async fails(id, code, message = code) {
    await settle();
    this.says({ id, error: { code: -32002, message, data: { code, detail: message } } });
    await settle();
  }

  get written() {
    return messagesOf(this.WebSocket.latest.frames).map(({ jsonrpc: _, ...message }) => message);
  }

  async sent() {
    await settle();
    return this.written.map(({ method, params }) => [method, params]);
  }
}

export const handle = (token, name = 'Calculator.Value') => ({ $handle: token, interface: name });

/** A returned object, live on a scripted gateway. */
export async function returned(token = 't1') {
  const scripted = new Scripted();
  const call = scripted.gateway.service('calculator').value(7);
  await scripted.answers(1, handle(token));
  const object = await call;
  scripted.WebSocket.latest.frames = [];
  return { scripted, object };
}
