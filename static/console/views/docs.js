// @ts-check
/** Doc comments as elements. Whatever is in them becomes text; links are the only thing that can be followed. */
import { blocksOf } from '../doc-text.js';
import { element } from './elements.js';

/** @param {import('../doc-text.js').Span} span @returns {Node | string} */
function spanNode({ text, is }) {
  if (is === 'link') {
    return element('a', { href: text, rel: 'noreferrer noopener', target: '_blank' }, text);
  }
  return is ? element(is, {}, text) : text;
}

/**
 * @param {string | undefined | null} doc
 * @returns {HTMLElement | undefined} nothing for no comment
 */
export function docNode(doc) {
  const blocks = blocksOf(doc);
  if (blocks.length === 0) {
    return undefined;
  }
  const node = element('div', { class: 'doc', dir: 'auto' });
  /** @type {HTMLElement | undefined} */
  let list;
  for (const block of blocks) {
    if (block.is === 'item') {
      if (!list) {
        list = element('ul');
        node.append(list);
      }
      list.append(element('li', {}, ...block.spans.map(spanNode)));
      continue;
    }
    list = undefined;
    node.append(
      block.is === 'code'
        ? element('pre', { tabindex: '0' }, element('code', {}, block.text))
        : element('p', {}, ...block.spans.map(spanNode)),
    );
  }
  return node;
}
