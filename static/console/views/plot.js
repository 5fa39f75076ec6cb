// @ts-check
/** How long the calls of each method took, as small pictures. */
import { HEIGHT, WIDTH, duration, plotOf } from '../latency.js';
import { element } from './elements.js';

const SVG = 'http://www.w3.org/2000/svg';
const MOST_PLOTS = 12;

/** @param {string} tag @param {Record<string, unknown>} attributes @param {...(Node | string)} children */
function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

/**
 * @param {ReturnType<import('../timeline.js').Timeline['latencies']>} methods
 * @param {(n: number) => void} jump shows the entry behind a point
 * @returns {Node[]}
 */
export function plotNodes(methods, jump) {
  if (methods.length === 0) {
    return [element('p', { class: 'hint' }, 'No call has been answered yet.')];
  }
  return methods.slice(0, MOST_PLOTS).map(({ name, times }) => {
    const { points, lines, facts } = plotOf(times);
    const words = `${facts.count} ${facts.count === 1 ? 'call' : 'calls'}, median ${duration(facts.p50)}, 95 % within ${duration(facts.p95)}, longest ${duration(facts.most)}`;
    const picture = svg(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${HEIGHT + 4}`, role: 'img', 'aria-label': `${name}: ${words}` },
      ...lines.flatMap(({ y, text }) => [
        svg('line', { x1: 0, x2: WIDTH, y1: y, y2: y, class: 'grid' }),
        svg('text', { x: WIDTH, y: y - 2, class: 'tick', 'text-anchor': 'end' }, text),
      ]),
      ...points.map(({ x, y, n, ms, ok }) => {
        const point = svg(
          'circle',
          { cx: x, cy: y, r: 2.5, class: ok ? 'ok' : 'failed' },
          svg('title', {}, duration(ms)),
        );
        point.addEventListener('click', () => jump(n));
        return point;
      }),
    );
    return element(
      'figure',
      {},
      element('figcaption', {}, element('code', {}, name), ' ', element('span', { class: 'hint' }, words)),
      picture,
    );
  });
}
