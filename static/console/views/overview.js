// @ts-check
/** What is shown where no method is: all services, one of them, or that there is nothing of that name. */
import { formatPlace } from '../places.js';
import { docNode } from './docs.js';
import { element } from './elements.js';

/** @typedef {import('./navigation.js').Service} Service */

const MOST = 300;

/** @param {Service[]} services @param {string} root where the gateway's paths begin */
export function overview(services, root) {
  return element(
    'section',
    { class: 'overview' },
    element('h2', {}, 'Services'),
    element(
      'p',
      {},
      'For other programs: ',
      element('a', { href: `${root}openapi.json` }, 'OpenAPI document'),
      ' · ',
      element('a', { href: `${root}openrpc.json` }, 'OpenRPC document'),
    ),
    ...services
      .slice(0, MOST)
      .map(({ name, doc, methods, state }) =>
        element(
          'article',
          {},
          element('h3', {}, element('a', { href: formatPlace({ service: name }) }, name)),
          docNode(doc),
          element(
            'p',
            { class: 'quiet' },
            state === 'down' && element('span', { class: 'status failed' }, 'cannot be reached'),
            state === 'down' && ' · ',
            `${methods.length} ${methods.length === 1 ? 'method' : 'methods'} · `,
            element('a', { href: `${root}schema/${encodeURIComponent(name)}` }, 'schema'),
            ' · ',
            element('a', { href: `${root}types/${encodeURIComponent(name)}.d.ts` }, 'TypeScript types'),
          ),
        ),
      ),
  );
}

/**
 * @param {string} service
 * @param {import('../description.js').Description} description
 * @param {import('../objects.js').LiveObject} [object]
 */
export function serviceView(service, { doc, methods }, object) {
  return element(
    'section',
    { class: 'overview' },
    element('h2', {}, element('bdi', {}, object?.label ?? service)),
    docNode(doc),
    ...methods.slice(0, MOST).map((method) => {
      const href = formatPlace({ ...(object ? { object: object.number } : { service }), method: method.name });
      return element(
        'article',
        {},
        element('h3', {}, element('a', { href }, method.name)),
        element('p', { class: 'signature' }, element('code', {}, element('bdi', {}, method.signature))),
        docNode(method.doc),
      );
    }),
    methods.length > MOST && element('p', { class: 'hint' }, `and ${methods.length - MOST} more: search with /`),
  );
}

/** @param {string} hash */
export function missing(hash) {
  return element(
    'section',
    { class: 'overview' },
    element('h2', {}, 'Nothing is here'),
    element(
      'p',
      {},
      'There is no service, object or method ',
      element('code', {}, element('bdi', {}, hash.slice(1, 200))),
      ' for you. Objects end with their session.',
    ),
    element('p', {}, element('a', { href: '#' }, 'All services')),
  );
}
