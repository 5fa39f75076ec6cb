// @ts-check
/** The types of a service, one at a time, with links between them. */
import { paramsShape, resultsShape } from '../description.js';
import { scalarText } from '../json-text.js';
import { docNode } from './docs.js';
import { element } from './elements.js';

/** @typedef {import('../description.js').Description} Description */
/** @typedef {import('../description.js').Field} Field */

// A type of a thousand members shows the first, the schema's text has all.
const MOST_MEMBERS = 300;
/** What stands in a field that nobody set, without being said. @type {Set<unknown>} */
const ZEROS = new Set([undefined, null, '', 0, '0', false]);

export class SchemaPane {
  #node;
  #root;
  /** Where one came from, in order. @type {{description: Description, service: string, name: string}[]} */
  #trail = [];

  /** @param {HTMLElement} node @param {string} root where the gateway's paths begin */
  constructor(node, root) {
    this.#node = node;
    this.#root = root;
  }

  clear() {
    this.#trail = [];
    this.#node.replaceChildren();
  }

  /**
   * Show what a method takes and gives, or a whole service.
   * @param {string} service
   * @param {Description} description
   * @param {import('../description.js').Method} [method]
   */
  show(service, description, method) {
    this.#trail = [];
    const names = method ? typesOf([paramsShape(method), resultsShape(method)], description) : all(description);
    const nodes = [
      element('p', { class: 'quiet' }, ...this.#documents(service)),
      method ? undefined : docNode(description.doc),
      names.length > 0 ? element('h3', {}, method ? 'Types of this method' : 'Types') : undefined,
      names.length > 0
        ? element(
            'ul',
            { class: 'types' },
            ...names
              .slice(0, MOST_MEMBERS)
              .map((name) => element('li', {}, this.link(service, description, name, name))),
          )
        : element('p', { class: 'hint' }, 'It takes and gives built-in types only.'),
    ];
    this.#node.replaceChildren(...nodes.filter((node) => node !== undefined));
    if (method && names.length > 0 && names.length <= 4) {
      this.#node.append(...names.map((name) => this.#type(service, description, name)));
    }
  }

  /** @param {string} service @param {Description} description @param {string} name */
  showType(service, description, name) {
    this.#trail.push({ service, description, name });
    const back = element('button', { type: 'button', class: 'small quiet' }, '← Back');
    back.addEventListener('click', () => {
      this.#trail.pop();
      const before = this.#trail.pop();
      if (before) {
        this.showType(before.service, before.description, before.name);
      } else {
        this.show(service, description);
      }
      this.#node.querySelector('button')?.focus();
    });
    this.#node.replaceChildren(element('p', { class: 'buttons' }, back), this.#type(service, description, name));
    this.#node.scrollTop = 0;
  }

  /**
   * A link to a type.
   * @param {string} service
   * @param {Description} description
   * @param {string} name
   * @param {string} text
   */
  link(service, description, name, text) {
    const isKnown = [description.structs, description.enums, description.interfaces].some((table) =>
      Object.hasOwn(table, name),
    );
    if (!isKnown) {
      return element('bdi', {}, text);
    }
    const button = element('button', { type: 'button', class: 'link' }, element('bdi', {}, text));
    button.addEventListener('click', () => {
      this.showType(service, description, name);
      const heading = /** @type {HTMLElement | null} */ (this.#node.querySelector('h3'));
      heading?.focus({ preventScroll: true });
      this.#node.scrollIntoView({ block: 'nearest' });
    });
    return button;
  }

  /** @param {string} service */
  #documents(service) {
    const name = encodeURIComponent(service);
    return [
      element('a', { href: `${this.#root}schema/${name}` }, 'schema'),
      ' · ',
      element('a', { href: `${this.#root}types/${name}.d.ts` }, 'TypeScript'),
      ' · ',
      element('a', { href: `${this.#root}openapi.json` }, 'OpenAPI'),
    ];
  }

  /** @param {string} service @param {Description} description @param {string} name */
  #type(service, description, name) {
    const { structs, enums, interfaces } = description;
    /** @param {Field} field @returns {Node[]} */
    const member = (field) => [
      element(
        'dt',
        {},
        element('code', {}, element('bdi', {}, field.name)),
        ' ',
        this.#fieldType(service, description, field),
      ),
      element(
        'dd',
        {},
        docNode(field.doc),
        !ZEROS.has(field.default) && element('p', { class: 'hint' }, `default ${defaultText(field)}`),
        field.shape.kind === 'group' &&
          element('dl', {}, ...members(field.shape.fields ?? [], field.shape.union ?? []).flat()),
      ),
    ];
    /** @param {Field[]} fields @param {Field[]} union */
    const members = (fields, union) => [
      ...fields.map(member),
      ...(union.length > 0 ? [[element('dt', { class: 'quiet' }, 'one of'), element('dd')]] : []),
      ...union.map(member),
    ];
    /** @param {string} kind @param {string | undefined} doc @param {Node[][]} nodes @param {number} count */
    const card = (kind, doc, nodes, count) =>
      element(
        'article',
        { class: 'type-card' },
        element('h3', { tabindex: '-1' }, element('span', { class: 'quiet' }, `${kind} `), element('bdi', {}, name)),
        docNode(doc),
        nodes.length > 0 && element('dl', {}, ...nodes.flat()),
        count > MOST_MEMBERS && element('p', { class: 'hint' }, `and ${count - MOST_MEMBERS} more, in the schema`),
      );
    if (Object.hasOwn(structs, name)) {
      const { doc, fields, union } = structs[name];
      const shown = fields.slice(0, MOST_MEMBERS);
      const nodes = members(shown, union.slice(0, MOST_MEMBERS - shown.length));
      return card('struct', doc, nodes, fields.length + union.length);
    }
    if (Object.hasOwn(enums, name)) {
      const { doc, values } = enums[name];
      const nodes = values
        .slice(0, MOST_MEMBERS)
        .map((value) => [
          element(
            'dt',
            {},
            element('code', {}, element('bdi', {}, value.name)),
            element('span', { class: 'hint' }, ` ${value.number}`),
          ),
          element('dd', {}, docNode(value.doc)),
        ]);
      return card('enum', doc, nodes, values.length);
    }
    const { doc, methods, extends: ancestors = [] } = interfaces[name] ?? { methods: [] };
    const nodes = methods
      .slice(0, MOST_MEMBERS)
      .map((method) => [
        element('dt', {}, element('code', {}, ...this.#signature(service, description, method.signature))),
        element('dd', {}, docNode(method.doc)),
      ]);
    const made = card('interface', doc, nodes, methods.length);
    if (ancestors.length > 0) {
      made.firstElementChild?.after(
        element(
          'p',
          { class: 'hint' },
          'extends ',
          ...ancestors.flatMap((one, index) => [index ? ', ' : '', this.link(service, description, one, one)]),
        ),
      );
    }
    return made;
  }

  /** @param {string} service @param {Description} description @param {Field} field */
  #fieldType(service, description, { type, shape, sensitive }) {
    let name = shape.name;
    for (let inner = shape.element; name === undefined && inner; inner = inner.element) {
      name = inner.name;
    }
    return element(
      'span',
      { class: 'type' },
      name === undefined ? type : this.link(service, description, name, type),
      sensitive && ' · secret',
    );
  }

  /** @param {string} service @param {Description} description @param {string} signature */
  #signature(service, description, signature) {
    return signature
      .split(/([A-Za-z_][\w.]*)/)
      .map((word, index) => (index % 2 ? this.link(service, description, word, word) : word));
  }
}

/** @param {Field} field */
function defaultText({ default: value, shape }) {
  return shape.kind === 'enum' ? String(value) : scalarText(value);
}

/** @param {import('../description.js').Shape[]} shapes @param {Description} description */
function typesOf(shapes, { structs, enums, interfaces }) {
  /** @type {Set<string>} */
  const names = new Set();
  /** @param {import('../description.js').Shape} shape */
  const visit = (shape) => {
    if (shape.element) {
      visit(shape.element);
    }
    if (shape.name && [structs, enums, interfaces].some((table) => Object.hasOwn(table, shape.name ?? ''))) {
      names.add(shape.name);
    }
    [...(shape.fields ?? []), ...(shape.union ?? [])].forEach((field) => visit(field.shape));
  };
  shapes.forEach(visit);
  return [...names];
}

/** @param {Description} description */
function all({ structs, enums, interfaces }) {
  return [...Object.keys(interfaces), ...Object.keys(structs), ...Object.keys(enums)];
}
