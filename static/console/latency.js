// @ts-check
/** A plot of how long calls took, as numbers: where each point is, and the lines that help to read it. Knows no page. */

export const WIDTH = 320;
export const HEIGHT = 96;
const TOP = 8;
const LEFT = 4;
// The words of the lines stand there.
const RIGHT = 44;

/**
 * @typedef {object} Plot
 * @property {{x: number, y: number, n: number, ms: number, ok: boolean}[]} points
 * @property {{y: number, text: string}[]} lines one for each power of ten
 * @property {{count: number, p50: number, p95: number, most: number}} facts milliseconds
 */

/**
 * @param {{n: number, ms: number, ok: boolean}[]} times in order; at least one
 * @returns {Plot}
 */
export function plotOf(times) {
  const sorted = times.map(({ ms }) => ms).sort((a, b) => a - b);
  // By powers of ten, since one slow call would press all others to the ground.
  const low = Math.floor(Math.log10(Math.max(0.1, sorted[0])));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(0.1, sorted.at(-1) ?? 1))));
  /** @param {number} ms */
  const y = (ms) => HEIGHT - ((Math.log10(Math.max(0.1, ms)) - low) / (high - low)) * (HEIGHT - TOP);
  const step = (WIDTH - LEFT - RIGHT) / Math.max(1, times.length - 1);
  const points = times.map(({ n, ms, ok }, index) => ({ x: round(LEFT + index * step), y: round(y(ms)), n, ms, ok }));
  const lines = [];
  for (let power = low; power <= high; power++) {
    lines.push({ y: round(y(10 ** power)), text: duration(10 ** power) });
  }
  const facts = {
    count: sorted.length,
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    most: sorted.at(-1) ?? 0,
  };
  return { points, lines, facts };
}

/** @param {number[]} sorted @param {number} part of all */
function quantile(sorted, part) {
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? 0;
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}

/** Milliseconds for people. @param {number} ms */
export function duration(ms) {
  if (ms >= 60_000) {
    return `${(ms / 60_000).toFixed(1)} min`;
  }
  return ms >= 1_000
    ? `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`
    : `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
}

/** Bytes for people. @param {number} bytes */
export function size(bytes) {
  if (bytes < 1024) {
    return `${bytes} B`;
  }
  return bytes < 1024 ** 2 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}
