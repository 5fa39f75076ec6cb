// @ts-check
/** What stands beside the method on a wide page, and is opened on request on a narrow one: the services and the schema. */

const MENUS = /** @type {const} */ (['services', 'schema']);

/** @typedef {(typeof MENUS)[number]} Menu */

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** Open or close one, and lead to it; the other is closed, so that it does not push this one away. @param {Menu} menu @param {boolean} [open] */
export function openMenu(menu, open) {
  const isOpen = document.body.classList.toggle(`shows-${menu}`, open);
  byId(`show-${menu}`).setAttribute('aria-expanded', String(isOpen));
  if (isOpen) {
    MENUS.filter((other) => other !== menu).forEach((other) => openMenu(other, false));
    byId(menu).closest('nav, aside')?.scrollIntoView({ block: 'start' });
  }
}

/** Close both: somebody goes elsewhere. */
export function closeMenus() {
  MENUS.forEach((menu) => openMenu(menu, false));
}

/** Have their buttons open and close them. */
export function listenForMenus() {
  MENUS.forEach((menu) => byId(`show-${menu}`).addEventListener('click', () => openMenu(menu)));
}
