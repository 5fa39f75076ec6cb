// @ts-check
/** The WebSocket of the `ws` package, for a node that has none of its own; undefined where the package is not installed. */
import { createRequire } from 'node:module';

export default find();

function find() {
  // Beside this file, or beside the program that runs.
  for (const place of [import.meta.url, process.argv[1]]) {
    try {
      return createRequire(place)('ws');
    } catch {
      // Perhaps at the other place.
    }
  }
  return undefined;
}
