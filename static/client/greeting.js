// @ts-check
/**
 * The first words on a socket: which session and stream this page asks for in `rpc.hello`, and what comes of the
 * gateway's answer (PROTOCOL.md, "Hello, sessions and streams"). Knows no socket.
 */
import { GatewayError, errorFromAnswer } from './errors.js';
import { isObject, textOf } from './messages.js';

const HELLO_ID = 0;
// The same hello would be refused again.
const FINAL_ERRORS = new Set(['unauthenticated', 'permission_denied', 'unimplemented', 'invalid_argument']);

/** @typedef {string | (() => string | Promise<string>)} Token proves who the user is; a function is asked each time */

/**
 * @typedef {object} Resumption what this side of a stream has to know in order to take it over; plain data
 * @property {string} session
 * @property {string} stream
 * @property {number} received messages
 * @property {boolean} [anew] whether what the page before held is let go of; it is, if not told otherwise
 */

/**
 * @typedef {object} GreetingOptions
 * @property {Token} [token]
 * @property {string} [session] one that is there already, to open a stream in
 * @property {Resumption} [resume] a stream to take over
 */

export class Greeting {
  #token;
  /** The session that the page named, as long as there is no stream. @type {string | undefined} */
  #joins;
  /** What the gateway said last; with `stream` there is one to resume, with `anew` another page's. @type {Record<string, any>} */
  said = {};
  /** Why hello was refused. @type {GatewayError | undefined} */
  failure;
  /** Whether the same hello would be refused again. */
  isFinal = false;

  /** @param {GreetingOptions} options */
  constructor({ token, session, resume }) {
    this.#token = token;
    this.#joins = session;
    if (resume) {
      this.said = { anew: true, ...resume };
    }
  }

  /** Whether there may be another token than the last. */
  get canRenew() {
    return typeof this.#token === 'function';
  }

  /**
   * Say hello, at once unless the page has to be asked for a token.
   * @param {number} received messages of the stream that is asked for
   * @param {(hello: string | undefined) => void} send nothing if there is no token; `failure` says why
   */
  async say(received, send) {
    let token = this.#token;
    try {
      if (typeof token === 'function') {
        token = await token();
      }
    } catch (cause) {
      this.failure = new GatewayError('unauthenticated', `there is no token: ${cause}`, { cause });
      send(undefined);
      return;
    }
    const { session = this.#joins, stream, anew } = this.said;
    const params = { protocol: 1, unbox: true, session, stream, received: stream && received, anew, token };
    send(textOf({ id: HELLO_ID, method: 'rpc.hello', params }));
  }

  /**
   * Take the answer to hello.
   * @param {any} message
   * @returns {{accepted?: Record<string, any>, lost?: string} | undefined} what the gateway said, or why the stream or session
   *   is no more that was asked for and another has to be; neither: hello is refused; undefined: it is no answer to hello
   */
  take(message) {
    if (message?.id !== HELLO_ID) {
      return undefined;
    }
    const { result, error } = message;
    if (error === undefined && isObject(result)) {
      this.#joins = undefined;
      return { accepted: result };
    }
    const failure = errorFromAnswer(error);
    const { session, stream } = this.said;
    // A stream that a page wrote down may be anything.
    if (session && (failure.code === 'not_found' || (stream && failure.code === 'invalid_argument'))) {
      return { lost: failure.message };
    }
    this.failure = failure;
    // The session to join is not there, and will not be there later.
    this.isFinal = FINAL_ERRORS.has(failure.code) || (!!this.#joins && failure.code === 'not_found');
    return {};
  }
}

/**
 * Whether a page wrote down all of a resumption.
 * @param {any} resume
 * @returns {resume is Resumption}
 */
export function isResumption(resume) {
  const { session, stream, received } = resume ?? {};
  return [session, stream].every((text) => typeof text === 'string') && Number.isInteger(received) && received >= 0;
}
