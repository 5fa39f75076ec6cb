// @ts-check
/** The timeline as a list, newest first. Only what one has scrolled to is in the page. */
import { matcher } from '../timeline.js';
import { element, freshId } from './elements.js';
import { bodyNodes, lineNodes } from './entry.js';
import { plotNodes } from './plot.js';

/** @typedef {import('../timeline.js').Entry} Entry */

const PAGE = 60;
// Beyond it the oldest rows leave the page again, as long as nobody looks at them.
const MOST_ROWS = 600;

/** @type {[import('../timeline.js').Filter['kind'], string][]} */
const KINDS = [
  ['', 'everything'],
  ['call', 'calls'],
  ['callback', 'callbacks'],
  ['event', 'connection and objects'],
  ['failed', 'failures'],
];

export class TimelineView {
  node;
  #timeline;
  #actions;
  /** @type {Map<number, HTMLDetailsElement>} */
  #rows = new Map();
  #list = element('ol', { class: 'entries' });
  #more = element('button', { type: 'button', class: 'quiet' }, 'Older entries');
  #count = element('span', { class: 'hint' });
  #plot = element('div', { class: 'plots', hidden: true });
  /** @type {import('../timeline.js').Filter} */
  #filter = { text: '', kind: '' };
  /** @type {Set<Entry>} */
  #changed = new Set();
  #all = false;
  #scheduled = false;
  /** The numbers of the first and last row. */
  #newest = 0;
  #oldest = Infinity;
  /** The number of the entry that was opened because it was called here, until the next is. */
  #opened = 0;

  /**
   * @param {import('../timeline.js').Timeline} timeline
   * @param {import('./entry.js').Actions} actions
   * @param {() => void} cleared
   */
  constructor(timeline, actions, cleared) {
    this.#timeline = timeline;
    this.#actions = actions;
    this.node = this.#frame(cleared);
    this.#more.addEventListener('click', () => this.#showOlder());
    new IntersectionObserver((seen) => seen.some(({ isIntersecting }) => isIntersecting) && this.#showOlder(), {
      rootMargin: '200px',
    }).observe(this.#more);
    this.#showAll();
  }

  /** @param {'added' | 'changed' | 'cleared'} what @param {Entry[]} entries */
  update(what, entries) {
    if (what === 'cleared' || entries.length > PAGE) {
      this.#all = true;
    }
    entries.slice(-PAGE).forEach((entry) => this.#changed.add(entry));
    if (!this.#scheduled) {
      this.#scheduled = true;
      requestAnimationFrame(() => this.#catchUp());
    }
  }

  /** Open an entry that was just called. @param {Entry} entry */
  open(entry) {
    const before = this.#rows.get(this.#opened);
    if (before) {
      before.open = false;
    }
    this.#opened = entry.n;
    if (this.#rows.has(entry.n)) {
      this.#reveal(entry.n);
    }
  }

  /** @param {number} n */
  #reveal(n) {
    const row = this.#rows.get(n);
    if (row) {
      row.open = true;
    }
  }

  /** @param {() => void} cleared */
  #frame(cleared) {
    const [textId, kindId, titleId] = [freshId(), freshId(), freshId()];
    const text = element('input', {
      id: textId,
      type: 'search',
      placeholder: 'Filter',
      autocomplete: 'off',
      spellcheck: 'false',
      oninput: () => this.#setFilter({ ...this.#filter, text: text.value }),
    });
    const kind = element(
      'select',
      {
        id: kindId,
        onchange: () =>
          this.#setFilter({
            ...this.#filter,
            kind: /** @type {import('../timeline.js').Filter['kind']} */ (kind.value),
          }),
      },
      ...KINDS.map(([value, words]) => element('option', { value }, words)),
    );
    const plot = element('button', { type: 'button', class: 'small quiet', 'aria-expanded': 'false' }, 'Latencies');
    plot.addEventListener('click', () => {
      this.#plot.hidden = !this.#plot.hidden;
      plot.setAttribute('aria-expanded', String(!this.#plot.hidden));
      this.#showPlot();
    });
    const clear = element('button', { type: 'button', class: 'small quiet', onclick: cleared }, 'Clear');
    return element(
      'section',
      { class: 'timeline', 'aria-labelledby': titleId },
      element(
        'div',
        { class: 'bar' },
        element('h2', { id: titleId }, 'Timeline'),
        this.#count,
        element('label', { for: textId, class: 'sr' }, 'Filter the timeline'),
        text,
        element('label', { for: kindId, class: 'sr' }, 'What the timeline shows'),
        kind,
        plot,
        clear,
      ),
      this.#plot,
      this.#list,
      element('p', { class: 'buttons' }, this.#more),
    );
  }

  /** @param {import('../timeline.js').Filter} filter */
  #setFilter(filter) {
    this.#filter = filter;
    this.#all = true;
    this.update('changed', []);
  }

  #catchUp() {
    this.#scheduled = false;
    const changed = [...this.#changed];
    this.#changed.clear();
    if (this.#all) {
      this.#all = false;
      this.#showAll();
    } else {
      const matches = matcher(this.#filter);
      changed.sort((one, other) => one.n - other.n).forEach((entry) => this.#showOne(entry, matches(entry)));
      this.#dropOldest();
      this.#showCount();
    }
    this.#showPlot();
  }

  /** @param {Entry} entry @param {boolean} isMatch */
  #showOne(entry, isMatch) {
    const row = this.#rows.get(entry.n);
    if (row) {
      this.#fill(row, entry);
    } else if (isMatch && entry.n > this.#newest) {
      this.#list.prepend(this.#row(entry));
    }
  }

  #dropOldest() {
    if (this.#rows.size > MOST_ROWS && scrollY < innerHeight) {
      for (const n of [...this.#rows.keys()].sort((a, b) => a - b).slice(0, this.#rows.size - PAGE)) {
        this.#rows.get(n)?.parentElement?.remove();
        this.#rows.delete(n);
      }
      this.#oldest = Math.min(...this.#rows.keys());
      this.#more.hidden = false;
    }
  }

  #showAll() {
    const open = new Set([...this.#rows].filter(([, row]) => row.open).map(([n]) => n));
    this.#rows.clear();
    this.#newest = 0;
    this.#oldest = Infinity;
    const entries = this.#timeline.newest(this.#filter, PAGE);
    this.#list.replaceChildren(...entries.map((entry) => this.#row(entry)));
    open.forEach((n) => this.#reveal(n));
    this.#more.hidden = entries.length < PAGE;
    this.#showCount();
  }

  #showOlder() {
    if (this.#more.hidden || this.#rows.size === 0) {
      return;
    }
    const entries = this.#timeline.newest(this.#filter, PAGE, this.#oldest);
    this.#list.append(...entries.map((entry) => this.#row(entry)));
    this.#more.hidden = entries.length < PAGE;
  }

  #showCount() {
    const { length } = this.#timeline.entries;
    const isWhole = this.#filter.text === '' && this.#filter.kind === '';
    const some = this.#rows.size > 0 ? `some of ${length}` : `none of ${length}`;
    this.#count.textContent =
      length === 0 ? 'Calls, callbacks and what becomes of the connection appear here.' : isWhole ? `${length}` : some;
  }

  #showPlot() {
    if (!this.#plot.hidden) {
      this.#plot.replaceChildren(...plotNodes(this.#timeline.latencies(), (n) => this.#jump(n)));
    }
  }

  /** @param {number} n */
  #jump(n) {
    this.#reveal(n);
    this.#rows.get(n)?.scrollIntoView({ block: 'center' });
  }

  /** @param {Entry} entry */
  #row(entry) {
    const details = element('details', { class: `entry ${entry.kind}`, 'data-n': entry.n });
    details.append(element('summary'), element('div', { class: 'body' }));
    details.addEventListener('toggle', () => this.#fillBody(details, entry));
    this.#rows.set(entry.n, details);
    this.#newest = Math.max(this.#newest, entry.n);
    this.#oldest = Math.min(this.#oldest, entry.n);
    this.#fill(details, entry);
    if (entry.n === this.#opened) {
      details.open = true;
    }
    return element('li', {}, details);
  }

  /** @param {HTMLDetailsElement} details @param {Entry} entry */
  #fill(details, entry) {
    details.firstElementChild?.replaceChildren(...lineNodes(entry));
    this.#fillBody(details, entry);
  }

  /** @param {HTMLDetailsElement} details @param {Entry} entry */
  #fillBody(details, entry) {
    details.lastElementChild?.replaceChildren(...(details.open ? bodyNodes(entry, this.#actions) : []));
  }
}
