// Made from the schemas. Use: gateway.service<…>('…'), with the interface that is named there.
import type { Arg, CallbackCall, Json, Pending, RemoteObject, Typed } from "cara-gateway-client";

/** The service `counter`. */
export type Root = Counter;

export interface Counter {
  increase(by?: Arg<number>): number;
  /** Tells the listener the value, now and after each change. */
  watch(listener: Arg<Counter_ListenerInput>): RemoteObject<Counter_Subscription>;
}

export type Counter_ListenerInput = Typed<Counter_Listener> | Counter_ListenerCallback | ((value: number, $call: CallbackCall) => void | Promise<void>);

export interface Counter_Subscription {
  cancel(): void;
}

export interface Counter_Listener {
  changed(value: Arg<number>): void;
}

export interface Counter_ListenerCallback {
  changed(value: number, $call: CallbackCall): void | Promise<void>;
}
