// @ts-check
/** Finds services, methods, types, members and words of their comments. Knows no page. */

/** @typedef {import('./description.js').Description} Description */
/** @typedef {import('./description.js').Field} Field */

/**
 * @typedef {object} Hit
 * @property {'service' | 'method' | 'struct' | 'enum' | 'interface' | 'member' | 'value' | 'object'} kind
 * @property {string} name
 * @property {string} where it is: the service, and the type that it belongs to
 * @property {string} service
 * @property {string} [type] to show in the schema
 * @property {string} [place] address of a form
 * @property {string} doc
 * @property {string} small what is searched
 * @property {string} smallDoc
 */

const MOST = 60;

export class Search {
  /** @type {Map<string, Hit[]>} */
  #hits = new Map();

  /** @param {string} service @param {Description} description */
  add(service, description) {
    this.#hits.set(service, [...hitsOf(service, description)]);
  }

  clear() {
    this.#hits.clear();
  }

  /**
   * @param {string} query words, all of which must be there
   * @param {Iterable<Hit>} [more] such as objects
   * @returns {Hit[]} best first
   */
  find(query, more = []) {
    const words = query
      .toLowerCase()
      .split(/[\s.]+/)
      .filter(Boolean);
    if (words.length === 0) {
      return [];
    }
    /** @type {[number, Hit][]} */
    const found = [];
    for (const hits of [more, ...this.#hits.values()]) {
      for (const hit of hits) {
        const score = scoreOf(hit, words);
        if (score > 0) {
          found.push([score, hit]);
        }
      }
    }
    return found
      .sort(([a, one], [b, other]) => b - a || one.name.length - other.name.length)
      .slice(0, MOST)
      .map(([, hit]) => hit);
  }
}

/** @type {Record<Hit['kind'], number>} */
const WEIGHTS = { service: 6, method: 5, object: 5, interface: 4, struct: 4, enum: 4, member: 2, value: 1 };

/** @param {Hit} hit @param {string[]} words */
function scoreOf({ small, smallDoc, where, kind }, words) {
  let score = 0;
  // Of `Outer.Inner` it is the inner name that people mean.
  const inner = small.lastIndexOf('.') + 1;
  for (const word of words) {
    const at = Math.max(small.indexOf(word, inner), small.indexOf(word));
    if (at >= 0) {
      const isWhole = at === inner && small.length - inner === word.length;
      score += isWhole ? 100 : at === 0 || at === inner ? 50 : 25;
    } else if (where.toLowerCase().includes(word)) {
      score += 5;
    } else if (smallDoc.includes(word)) {
      score += 8;
    } else {
      return 0;
    }
  }
  return score + WEIGHTS[kind];
}

/** @param {Omit<Hit, 'small' | 'smallDoc' | 'doc'> & {doc?: string}} facts @returns {Hit} */
function hit(facts) {
  const { doc = '' } = facts;
  return { ...facts, doc, small: facts.name.toLowerCase(), smallDoc: doc.slice(0, 2_000).toLowerCase() };
}

/** @param {string} service @param {Description} description @returns {Iterable<Hit>} */
function* hitsOf(service, { doc, methods, structs, enums, interfaces }) {
  yield hit({ kind: 'service', name: service, where: '', service, place: `#${service}`, doc });
  for (const method of methods) {
    const place = `#${service}.${method.name}`;
    yield hit({ kind: 'method', name: method.name, where: service, service, place, doc: method.doc });
  }
  for (const [name, one] of Object.entries(interfaces)) {
    yield hit({ kind: 'interface', name, where: service, service, type: name, doc: one.doc });
    for (const method of one.methods) {
      yield hit({
        kind: 'method',
        name: method.name,
        where: `${service} ${name}`,
        service,
        type: name,
        doc: method.doc,
      });
    }
  }
  for (const [name, one] of Object.entries(structs)) {
    yield hit({ kind: 'struct', name, where: service, service, type: name, doc: one.doc });
    for (const field of [...one.fields, ...one.union]) {
      yield hit({ kind: 'member', name: field.name, where: `${service} ${name}`, service, type: name, doc: field.doc });
    }
  }
  for (const [name, one] of Object.entries(enums)) {
    yield hit({ kind: 'enum', name, where: service, service, type: name, doc: one.doc });
    for (const value of one.values) {
      yield hit({ kind: 'value', name: value.name, where: `${service} ${name}`, service, type: name, doc: value.doc });
    }
  }
}

/** Live objects as hits. @param {import('./objects.js').LiveObject[]} objects @returns {Iterable<Hit>} */
export function* objectHits(objects) {
  for (const { label, number, service, interfaceName } of objects) {
    const where = `${service} ${interfaceName ?? ''}`;
    yield hit({ kind: 'object', name: label, where, service, place: String(number) });
  }
}
