import { connect } from '/client/index.js';

const find = (selector) => document.querySelector(selector);
const gateway = await connect(undefined, { retry: true });
const chat = gateway.service('chat');
let name;
let room;

// An object that lives in this page; the service calls it.
const member = {
  said({ from, text }) {
    const who = document.createElement('b');
    const line = document.createElement('li');
    who.textContent = from;
    line.append(who, text);
    find('ol').append(line);
  },
};

async function enter() {
  const entered = await chat.enter(name, member);
  room = entered.room;
  find('ol').replaceChildren();
  entered.said.forEach(member.said);
}

find('#enter').addEventListener('submit', async (event) => {
  event.preventDefault();
  name = new FormData(event.target).get('name');
  try {
    await enter();
    find('#enter').hidden = true;
    find('#say').hidden = false;
    find('[role=status]').textContent = '';
  } catch (error) {
    find('[role=status]').textContent = error.message;
  }
});

find('#say').addEventListener('submit', (event) => {
  event.preventDefault();
  room.say(new FormData(event.target).get('text'));
  event.target.reset();
});

// A connection that breaks comes back by itself, and the room is still there. A service that was started again has
// forgotten everybody: enter again, as soon as it is there.
gateway.on('released', ({ handle }) => {
  if (handle === room?.$handle) {
    enterAgain();
  }
});

async function enterAgain() {
  try {
    await enter();
  } catch {
    setTimeout(enterAgain, 500);
  }
}

gateway.on('state', (state) => (find('[role=status]').textContent = state === 'open' ? '' : state));
