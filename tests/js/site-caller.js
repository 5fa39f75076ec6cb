// Calls a site's calculator with the page's client until its standard input ends, a call at a time and then some at once;
// then says on one line how many calls it made, what became of those that failed, and how often it had to connect.
import WebSocket from 'ws';

import { connect } from '../../static/client/index.js';

const AT_ONCE = 5;

const gateway = await connect(process.env.SITE_URL, { WebSocket, token: process.env.SITE_KEY });
const calculator = gateway.service('calculator');
const failures = [];
let calls = 0;
let connections = 1;
let ended = false;
gateway.on('state', (state) => {
  connections += state === 'open' ? 1 : 0;
});
process.stdin.on('end', () => {
  ended = true;
});
process.stdin.resume();

async function add(number) {
  calls += 1;
  try {
    const sum = await calculator.add(number, 1);
    if (sum !== number + 1) {
      failures.push(`${number} + 1 = ${sum}`);
    }
  } catch (error) {
    failures.push(`${number} + 1: ${error.code} ${error.message}`);
  }
}

while (!ended) {
  await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => add(calls + index)));
  await new Promise((resolve) => setTimeout(resolve, 20));
}
console.log(JSON.stringify({ calls, failures, connections }));
gateway.close();
