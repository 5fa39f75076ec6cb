/// <reference lib="esnext.disposable" />
/** Types of the browser client. `gateway types` prints such types for the services themselves. */

/** `code`: a status name such as `not_found`; programs decide by it. */
export class GatewayError extends Error {
  constructor(
    code: string,
    message: string,
    details?: {
      path?: string;
      requestId?: string;
      data?: Record<string, unknown>;
      cause?: unknown;
    },
  );
  readonly code: string;
  /** JSON path of the bad value from the parameters' root, such as `$.items[1].qty`. */
  readonly path: string | undefined;
  /** Finds the call in the gateway's log. */
  readonly requestId: string | undefined;
  /** The problem object as the gateway sent it. */
  readonly data: Record<string, unknown> | undefined;
}

export interface CallOptions {
  /** Milliseconds; the gateway ends the call too. */
  timeout?: number;
  signal?: AbortSignal;
}

/** A parameter: a value, or a call whose result it will be. */
export type Arg<T> = T | (Promise<T> & PendingMembers);

/** A value of JSON's own. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Parameters by position or by name. */
export type Params = readonly unknown[] | { readonly [name: string]: unknown };

/** What every service and object has beside its remote methods. */
export interface RemoteMembers {
  /** Call a method of any name, with options. */
  $call(name: string, params?: Params, options?: CallOptions): Pending<any>;
  /** The method of a name that a property cannot have: `then`, `toJSON`, `constructor`, `$…`. */
  $get(name: string): (...args: any[]) => Pending<any>;
  /** Methods with types and documentation, as `GET /api/{service}` gives them. */
  $describe(): Promise<any>;
}

/** A live object of a service, as it stands in results. */
export interface ObjectMembers extends RemoteMembers, Disposable {
  /** Give the object back; calls on it fail from now on. */
  $release(): void;
  readonly $handle: string;
  readonly $interface: string | null;
}

/** What a method of the page's own gets behind the parameters of the schema, if it declares one more. */
export interface CallbackCall {
  /** Aborted when the service gave the call up, or the connection to it was lost for good. */
  readonly signal: AbortSignal;
}

/**
 * A method of `T` as the client offers it: what it returns has not come yet, but its members can be used. One that says so
 * by itself stays as it is, since TypeScript would forget its type parameters.
 */
type Method<F> = F extends (...args: any[]) => PendingMembers
  ? F
  : F extends (...args: infer A) => infer R
    ? (...args: A) => Pending<Awaited<R>>
    : never;

type MethodsOf<T> = {
  readonly [K in keyof T as T[K] extends (...args: any[]) => any ? K : never]: Method<T[K]>;
};

/** A parameter of a method whose types are not known; within it a function's parameters are `any`. */
export type Untyped =
  | ((...args: any[]) => any)
  | { readonly [name: string]: Untyped }
  | readonly Untyped[]
  | object
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined;

/** What a service without types has. */
interface UntypedMethods {
  readonly [name: string]: (...args: Untyped[]) => Pending<any>;
}

/** `$call` of a method that is known. */
type KnownCall<T> = 0 extends 1 & T
  ? unknown
  : {
      $call<K extends keyof MethodsOf<T>>(
        name: K,
        params?: Params,
        options?: CallOptions,
      ): T[K] extends (...args: any[]) => infer R ? Pending<Awaited<R>> : never;
    };

export type Service<T = any> = KnownCall<T> &
  RemoteMembers & {
    readonly $service: string;
  } & (0 extends 1 & T ? UntypedMethods : MethodsOf<T>);

declare const interfaceOf: unique symbol;

/** Something that is known to have the interface `T`. Nothing is there at run time. */
export interface Typed<T> {
  readonly [interfaceOf]: T;
}

/**
 * `$as`, for objects of which the schema says too little, or that are more than it says. Types of services have a member
 * `$casts` with the interfaces of the schema by name, which nothing has at run time.
 */
type Castable<T> = '$casts' extends keyof T
  ? T extends { readonly $casts?: infer I }
    ? {
        /** The same object as one with another interface of its service's schema; each is released for itself. */
        $as<K extends keyof I>(name: K): Pending<RemoteObject<I[K]>>;
      }
    : unknown
  : { $as<U = any>(name: string): Pending<RemoteObject<U>> };

export type RemoteObject<T = any> = Typed<T> &
  KnownCall<T> &
  ObjectMembers &
  Castable<T> &
  (0 extends 1 & T ? any : MethodsOf<T>);

interface PendingMembers extends Disposable {
  $call(name: string, params?: Params, options?: CallOptions): Pending<any>;
  $get(name: string): any;
  /** Release the objects of the answer when it comes. */
  $release(): void;
}

/**
 * The result of a call before its answer came. Await it, or call into it: `book.find('Ann').updater.update(…)`.
 */
export type Pending<T> = Promise<T> &
  PendingMembers &
  (0 extends 1 & T
    ? any
    : T extends object
      ? {
          readonly [K in keyof T as K extends keyof Promise<any> | keyof PendingMembers ? never : K]-?: T[K] extends (
            ...args: any[]
          ) => any
            ? Method<T[K]>
            : Pending<NonNullable<T[K]>>;
        }
      : unknown);

export type State = 'open' | 'reconnecting' | 'closed';

export interface StateDetails {
  /** With 'open': whether objects, callbacks and calls of the connection before live on. */
  resumed?: boolean;
  /** The socket's close code. */
  code?: number;
  reason?: string;
  /** With 'closed': why. */
  error?: GatewayError;
}

/** A stream that another page can take over; plain data, for sessionStorage say. */
export interface Resumption {
  session: string;
  stream: string;
  received: number;
}

/** A stream was lost, and with it calls under way, objects and callbacks; another one has begun. */
export interface Reset {
  /** Why, for people. */
  reason: string;
  /** Whether the session is the same, which REST calls and other pages may share. */
  sameSession: boolean;
}

export interface Gateway extends Disposable {
  service<T = any>(name: string): Service<T>;
  readonly state: State;
  /** The secret id of the session, for REST calls in it (header `Session-Id`). */
  readonly session: string;
  /** For `connect(url, {resume})` in the page that comes after this one. */
  readonly resumption: Resumption | undefined;
  /** What the gateway allows, such as `max_message_bytes`. */
  readonly limits: { readonly [name: string]: number };
  /** Listen; the function that is returned ends it. */
  on(event: 'state', listener: (state: State, details: StateDetails) => void): () => void;
  /** The gateway let go of an object or a callback. */
  on(
    event: 'released',
    listener: (what: { handle?: string; callback?: string; code: string; reason: string }) => void,
  ): () => void;
  /** Comes before 'open'. One that nobody has heard, such as during `connect`, comes to the first who listens. */
  on(event: 'reset', listener: (reset: Reset) => void): () => void;
  /** What a callback threw. Without a listener it goes to `reportError`, or to the console. */
  on(event: 'error', listener: (error: unknown) => void): () => void;
  /** Close the connection for good. */
  close(): void;
}

export interface ConnectOptions {
  /** The WebSocket class, where the platform has none and the `ws` package is not found. */
  WebSocket?: new (url: string) => any;
  /** Proves who the user is. A function is asked again each time when a connection is opened. */
  token?: string | (() => string | Promise<string>);
  /** The id of a session to share, such as `Session-Id` of a REST answer. Rejected with `not_found` if it is no more. */
  session?: string;
  /** A stream to go on with. If it is no more, a new one begins: 'reset' comes, and 'open' with `resumed` false. */
  resume?: Resumption | null | undefined;
  /** Ends the attempt to connect, which is rejected with `cancelled`. A connection that stands is not closed by it. */
  signal?: AbortSignal;
  /** Try again until the gateway can be reached, instead of being rejected with `unavailable`. */
  retry?: boolean;
}

/**
 * Open a connection. Rejected with `unavailable` if the gateway cannot be reached. Later losses are mended by
 * themselves: calls run once and are answered once, objects and callbacks live on, and `on('state', …)` tells. Only a
 * loss that takes longer than the gateway keeps a session (a minute), or its restart, ends them: calls that were sent fail
 * with `outcome_unknown`; calls that were not are made in the new session, or fail with `unavailable` if they need an object
 * of the old one.
 * @param url of the gateway, such as `http://127.0.0.1:8080`; without one: where the page came from
 */
export function connect(url?: string | URL, options?: ConnectOptions): Promise<Gateway>;
