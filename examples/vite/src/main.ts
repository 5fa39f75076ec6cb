import { connect } from 'cara-gateway-client';
import type { Root } from './services';

const gateway = await connect(undefined, { retry: true });
const counter = gateway.service<Root>('counter');
const button = document.querySelector('button')!;

// Typed by the schema: `value` is a number, and a misspelt method does not compile.
await counter.watch({ changed: (value) => void (button.textContent = String(value)) });
button.onclick = () => counter.increase();
