// Made from the schemas. Use: gateway.service<…>('…'), with the interface that is named there.
import type { Arg, CallbackCall, Json, Pending, RemoteObject, Typed } from "cara-gateway-client";

/** The service `counter`. */
export type Root = Counter;

/** What `$as` takes an object for: the interfaces of the schema, by name. */
export interface Interfaces {
  Counter: Counter;
  "Counter.Listener": Counter_Listener;
  "Counter.Subscription": Counter_Subscription;
}

/** An object of which the schema says no more. */
export interface Capability {
  readonly $casts?: Interfaces;
}

export interface Counter {
  increase(by?: Arg<number>): number;
  /** Tells the listener the value, now and after each change. */
  watch(listener: Arg<Counter_ListenerInput>): RemoteObject<Counter_Subscription>;
  readonly $casts?: Interfaces;
}

export interface Counter_Listener {
  changed(value: Arg<number>): void;
  readonly $casts?: Interfaces;
}

export interface Counter_Subscription {
  cancel(): void;
  readonly $casts?: Interfaces;
}

export type Counter_ListenerInput = Typed<Counter_Listener> | Counter_ListenerCallback | ((value: number, $call: CallbackCall) => void | Promise<void>);

export interface Counter_ListenerCallback {
  changed(value: number, $call: CallbackCall): void | Promise<void>;
}
