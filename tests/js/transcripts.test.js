// The transcripts that both sides of the protocol play (tests/vectors/session).
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Play } from './play.js';

const FOLDER = new URL('../vectors/session/', import.meta.url);

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.json'))) {
  const transcript = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'));
  if (transcript.only !== 'gateway') {
    test(transcript.name, () => new Play(transcript).play(transcript.steps));
  }
}
