// @ts-check
/**
 * One socket at a time to one address, opened again with jittered back-off when it is lost. Knows no protocol: text
 * goes in and out, and whoever reads it decides whether a lost socket is worth another.
 *
 *   stopped ──start──▸ opening ──▸ open ──lost──▸ waiting ──▸ opening …
 *      ▴── stop, or lost() says no ──┴──────┴────────┘
 */

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
const OPEN_TIMEOUT_MS = 15_000;
// A close code for what no standard one says; the gateway keeps the stream.
const RENEWED = 3000;

/**
 * @typedef {object} Clock what is needed of the platform's time; tests pass their own
 * @property {() => number} now
 * @property {(action: () => void, delay_ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

/**
 * @typedef {object} Socket an open socket as the protocol sees it
 * @property {(text: string) => void} send
 * @property {() => number} unsent bytes that were sent here and have not left this machine
 * @property {(code: number, reason: string) => void} close reports the loss to `lost` at once
 */

/**
 * @typedef {object} TransportEvents
 * @property {(socket: Socket) => void} opened
 * @property {(text: string) => void} received
 * @property {(code: number, reason: string) => boolean} lost true: open another
 */

/** The WebSocket constructor of a browser, or of the `ws` package. @typedef {new (url: string) => any} SocketClass */

/** @type {Clock} */
export const systemClock = {
  now: () => Date.now(),
  setTimeout: (action, delay_ms) => setTimeout(action, delay_ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/**
 * The wait before an attempt: doubled each time, at least half of it, the rest by chance, so that the pages which one
 * gateway's restart threw out do not come back in one instant.
 * @param {number} attempt 0 is the first after a loss
 * @param {number} chance from 0 to 1
 */
export function backoffDelay(attempt, chance) {
  const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 16));
  return delay / 2 + (delay / 2) * chance;
}

export class Transport {
  #url;
  #WebSocket;
  #events;
  #clock;
  #random;
  #attempt = 0;
  /**
   * Close and open nothing more: ends the current socket or wait without a word to `lost`.
   * @type {(code: number, reason: string) => void}
   */
  stop = () => {};
  /** Open the next socket now rather than after the wait: something says that it may work. */
  hurry = () => {};
  /** Give the open socket up for another: something says that it may lead nowhere. @type {(reason: string) => void} */
  renew = () => {};

  /**
   * @param {string} url
   * @param {SocketClass} WebSocket
   * @param {TransportEvents} events
   * @param {Clock} [clock]
   * @param {() => number} [random]
   */
  constructor(url, WebSocket, events, clock = systemClock, random = Math.random) {
    this.#url = url;
    this.#WebSocket = WebSocket;
    this.#events = events;
    this.#clock = clock;
    this.#random = random;
  }

  /** Throws what the WebSocket constructor throws, such as a SyntaxError for an address that is none. */
  start() {
    const socket = new this.#WebSocket(this.#url);
    let over = false;

    const end = () => {
      over = true;
      this.#clock.clearTimeout(timer);
      this.stop = this.renew = () => {};
    };
    /** @param {number} code @param {string} reason */
    const lost = (code, reason) => {
      if (!over) {
        end();
        if (this.#events.lost(code, reason)) {
          this.#wait();
        }
      }
    };
    /** @param {number} code @param {string} reason */
    const close = (code, reason) => {
      if (!over) {
        socket.close(code, reason);
        // The close event may take until the network answers; the protocol should not wait for it.
        lost(code, reason);
      }
    };
    const timer = this.#clock.setTimeout(() => close(4000, 'not open in time'), OPEN_TIMEOUT_MS);

    socket.addEventListener('open', () => {
      if (!over) {
        this.#clock.clearTimeout(timer);
        this.renew = (reason) => close(RENEWED, reason);
        this.#events.opened({ send: (text) => socket.send(text), unsent: () => socket.bufferedAmount ?? 0, close });
      }
    });
    socket.addEventListener('message', (/** @type {{data: unknown}} */ event) => {
      if (over) {
        return;
      }
      if (typeof event.data === 'string') {
        this.#events.received(event.data);
      } else {
        close(4000, 'a binary frame');
      }
    });
    socket.addEventListener('close', (/** @type {{code: number, reason: string}} */ event) =>
      lost(event.code, String(event.reason)),
    );
    // Says nothing that the close event does not say, but the ws package throws errors that nobody listens to.
    socket.addEventListener('error', () => {});
    this.stop = (code, reason) => {
      end();
      socket.close(code, reason);
    };
  }

  /**
   * Note that the socket is a good one: the next loss starts with a short wait again. One that is accepted and dropped at
   * once, as by an overloaded gateway, keeps its back-off.
   */
  proved() {
    this.#attempt = 0;
  }

  #wait() {
    const timer = this.#clock.setTimeout(() => go(), backoffDelay(this.#attempt++, this.#random()));
    const end = () => {
      this.#clock.clearTimeout(timer);
      this.stop = () => {};
      this.hurry = () => {};
    };
    const go = () => {
      end();
      this.start();
    };
    this.stop = end;
    this.hurry = go;
  }
}
