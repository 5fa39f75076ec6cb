// @ts-check
/** Makes elements. Text becomes text nodes, never markup, so nothing that a service says can be anything but text. */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, unknown>} [attributes] `onclick` and the like are listeners; true is an attribute without value,
 *   false and undefined are none
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      made.addEventListener(name.slice('on'.length), /** @type {EventListener} */ (value));
    } else if (value !== false && value !== undefined) {
      made.setAttribute(name, value === true ? '' : String(value));
    }
  }
  made.append(...children.filter(isPresent));
  return made;
}

/** @param {Child} child @returns {child is Node | string} */
function isPresent(child) {
  return child !== null && child !== undefined && child !== false && child !== '';
}

let lastId = 0;

/** An id that no other element has, for labels. */
export function freshId() {
  return `e${++lastId}`;
}
