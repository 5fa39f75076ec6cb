// Posts a JSON text with an HTTP client of others: node post.js axios|undici|fetch|stream URL TEXT.
// Prints status and text of the answer as JSON.
import axios from 'axios';
import { request } from 'undici';

const headers = { 'Content-Type': 'application/json' };

const clients = {
  async axios(url, body) {
    const answer = await axios.post(url, body, { headers, responseType: 'text', validateStatus: null });
    return [answer.status, answer.data];
  },
  async undici(url, body) {
    const answer = await request(url, { method: 'POST', headers, body });
    return [answer.statusCode, await answer.body.text()];
  },
  async fetch(url, body) {
    const answer = await fetch(url, { method: 'POST', headers, body });
    return [answer.status, await answer.text()];
  },
  async stream(url, body) {
    const answer = await fetch(url, { method: 'POST', headers, body: new Blob([body]).stream(), duplex: 'half' });
    return [answer.status, await answer.text()];
  },
};

const [client, url, body] = process.argv.slice(2);
console.log(JSON.stringify(await clients[client](url, body)));
