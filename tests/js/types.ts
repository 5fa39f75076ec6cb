// Not run, only compiled by `npm run check`: what a user of the types writes must fit them, and what is wrong must not.
import { connect, GatewayError, type Gateway, type RemoteObject } from '../../static/client/index.js';
import { Gateway as Implementation } from '../../static/client/gateway.js';

interface Updater {
  update(person: { phoneNumber?: string }): Promise<Person>;
}
interface Person {
  name: string;
  updater: RemoteObject<Updater>;
}
interface AddressBook {
  find(name: string): Promise<Person>;
  watch(listener: { changed(person: Person): void }): Promise<RemoteObject<{ cancel(): Promise<void> }>>;
}

export async function use(): Promise<void> {
  using gateway = await connect('http://127.0.0.1:8080', { token: 'secret' });
  const book = gateway.service<AddressBook>('addressbook');
  const person = await book.find('Ann');
  const name: string = person.name;
  person.updater.$release();
  const changed: string = (await book.find(name).updater.update({ phoneNumber: '5' })).name;
  using subscription = await book.watch({ changed: (person) => void person.name });
  await subscription.cancel();
  await book.$call('find', { name: changed }, { timeout: 1000, signal: AbortSignal.timeout(5) });

  // @ts-expect-error: there is no such method
  book.remove('Ann');
  // @ts-expect-error: the name is text
  book.find(5);

  // Without a type everything is allowed, as in JavaScript.
  const calculator = gateway.service('calculator');
  const seven: number = await calculator.add(2, 5);
  calculator.value(seven).read().then(console.log);

  const stop = gateway.on('state', (state, { error }) => {
    if (state === 'closed' && error instanceof GatewayError) {
      console.log(error.code, error.path, error.requestId);
    }
  });
  stop();
}

// The implementation has what the types promise.
export const implemented: (gateway: Implementation) => Omit<Gateway, keyof Disposable | 'state' | 'session' | 'on'> = (
  gateway,
) => gateway;
