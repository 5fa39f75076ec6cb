// @ts-check
/** Fields for values by their types, to every depth. What is typed stands in drafts; what it means is said elsewhere. */
import { membersOf } from '../description.js';
import { emptyDraft, memberDraft } from '../drafts.js';
import { elementField } from '../reading.js';
import { dataControl } from './data-field.js';
import { docNode } from './docs.js';
import { element, freshId } from './elements.js';
import { objectControl } from './object-field.js';
import { scalarControl } from './scalar-field.js';

/** @typedef {import('../description.js').Field} Field */
/** @typedef {import('../drafts.js').Draft} Draft */
/** @typedef {import('../drafts.js').Place} Place */

/**
 * @typedef {object} Form what fields need of the form that they stand in
 * @property {import('../description.js').Tables} tables
 * @property {() => void} changed something was typed
 * @property {Map<string, {node: HTMLElement, controls: HTMLElement[]}>} complaints where what is wrong is said, by path
 * @property {(interfaceName: string) => import('../objects.js').LiveObject[]} objects that a field may offer
 * @property {(type: string, text: string) => Node} typeLink
 */

/**
 * @param {Field} field
 * @param {Draft} draft changed as somebody types
 * @param {Place} place
 * @param {string} path of the value
 * @param {Form} form
 * @param {string} [label] other than the name
 * @returns {HTMLElement}
 */
export function fieldView(field, draft, place, path, form, label = field.name) {
  if (draft.kind === 'members') {
    return membersField(field, draft, place, path, form, label);
  }
  if (draft.kind === 'list') {
    return listField(field, draft, place, path, form, label);
  }
  if (draft.kind === 'object') {
    const { control, more } = objectControl(field, draft, place, form);
    return labelled(field, path, form, label, [control], more);
  }
  if (draft.kind === 'data') {
    const { control, more } = dataControl(field, draft, form, label);
    return labelled(field, path, form, label, [control], more);
  }
  const { control, more } = scalarControl(field, draft, place, form);
  return labelled(field, path, form, label, [control], more);
}

/**
 * @param {Field} field
 * @param {string} path
 * @param {Form} form
 * @param {string} label
 * @param {HTMLElement[]} controls the first of which has the label
 * @param {HTMLElement} [more]
 */
function labelled(field, path, form, label, controls, more) {
  const [control] = controls;
  control.id ||= freshId();
  const complaint = complaintAt(path, form, controls);
  control.setAttribute('aria-describedby', complaint.id);
  const doc = docNode(field.doc);
  return element(
    'div',
    { class: `field ${field.shape.kind === 'bool' ? 'flag' : ''}`, 'data-path': path },
    element('label', { for: control.id }, element('bdi', {}, label)),
    typeNode(field, form),
    doc,
    control,
    more,
    complaint,
  );
}

/** @param {string} path @param {Form} form @param {HTMLElement[]} controls */
function complaintAt(path, form, controls) {
  const node = element('p', { class: 'complaint', id: freshId() });
  form.complaints.set(path, { node, controls });
  return node;
}

/** @param {Field} field @param {Form} form */
function typeNode({ type, shape, sensitive }, form) {
  let name = shape.name;
  for (let inner = shape.element; name === undefined && inner; inner = inner.element) {
    name = inner.name;
  }
  return element(
    'span',
    { class: 'type' },
    name === undefined ? type : form.typeLink(name, type),
    sensitive && ' · secret',
  );
}

/** @param {Field} field @param {import('../drafts.js').ListDraft} draft @param {Place} place @param {string} path @param {Form} form @param {string} label */
function listField(field, draft, place, path, form, label) {
  const rows = element('ol', { class: 'rows' });
  const clear = element('button', { type: 'button', class: 'small quiet' }, 'Leave out');
  clear.setAttribute('aria-label', `Leave out ${label}`);
  const empty = element('p', { class: 'hint' });
  const inner = elementField(field);
  /** @param {number} [focus] index of a row @param {string} [action] whose button in it gets the focus, not its value */
  const show = (focus, action) => {
    rows.replaceChildren(...draft.items.map((item, index) => row(item, index)));
    rows.hidden = draft.items.length === 0;
    const isEmpty = draft.items.length === 0;
    clear.hidden = !(isEmpty && draft.given && place === 'member');
    empty.textContent = isEmpty
      ? draft.given
        ? 'an empty list is sent'
        : place === 'member'
          ? 'left out'
          : 'empty'
      : '';
    if (focus !== undefined) {
      const target = rows.children[Math.min(focus, rows.children.length - 1)];
      (action ? rowButton(target, action) : firstControl(target))?.focus();
      if (!target) {
        add.focus();
      }
    }
  };
  /** @param {(items: Draft[]) => void} change @param {number} focus @param {string} [action] */
  const edit = (change, focus, action) => {
    change(draft.items);
    draft.given = true;
    show(focus, action);
    form.changed();
  };
  /** @param {Draft} item @param {number} index */
  const row = (item, index) => {
    const name = `${label} ${index + 1}`;
    /** @param {string} sign @param {string} words @param {boolean} disabled @param {(items: Draft[]) => void} change @param {number} focus */
    const button = (sign, words, disabled, change, focus) =>
      element(
        'button',
        {
          type: 'button',
          class: 'small quiet',
          'aria-label': `${words} ${name}`,
          'data-action': words,
          disabled,
          onclick: () => edit(change, focus, words),
        },
        sign,
      );
    const swap = (/** @type {number} */ other) => (/** @type {Draft[]} */ items) => {
      [items[index], items[other]] = [items[other], items[index]];
    };
    return element(
      'li',
      {},
      fieldView(inner, item, 'element', `${path}[${index}]`, form, name),
      element(
        'div',
        { class: 'row-buttons' },
        button('↑', 'Move up', index === 0, swap(index - 1), index - 1),
        button('↓', 'Move down', index === draft.items.length - 1, swap(index + 1), index + 1),
        button('×', 'Remove', false, (items) => items.splice(index, 1), index),
      ),
    );
  };
  const add = element('button', { type: 'button', class: 'small' }, 'Add');
  add.setAttribute('aria-label', `Add to ${label}`);
  add.addEventListener('click', () => {
    const made = emptyDraft(inner.shape);
    edit((items) => items.push(made), draft.items.length);
  });
  clear.addEventListener('click', () => {
    draft.given = false;
    show();
    add.focus();
    form.changed();
  });
  show();
  return group(field, path, form, label, [rows, empty, element('p', { class: 'buttons' }, add, clear)], [add]);
}

/** Where somebody begins to type, past the links of types. @param {Element | undefined} node @returns {HTMLElement | null} */
export function firstControl(node) {
  return node?.querySelector('input, select, textarea, button:not(.link)') ?? null;
}

/** The same button of a row, or where that has come to its end another. @param {Element | undefined} row @param {string} action @returns {HTMLElement | null} */
function rowButton(row, action) {
  /** @type {HTMLButtonElement[]} */
  const buttons = [...(row?.querySelectorAll(':scope > .row-buttons > button') ?? [])].map(
    (button) => /** @type {any} */ (button),
  );
  const enabled = buttons.filter(({ disabled }) => !disabled);
  return enabled.find(({ dataset }) => dataset.action === action) ?? enabled[0] ?? null;
}

/** @param {Field} field @param {string} path @param {Form} form @param {string} label @param {Node[]} nodes @param {HTMLElement[]} controls */
function group(field, path, form, label, nodes, controls) {
  return element(
    'fieldset',
    { 'data-path': path },
    element('legend', {}, element('bdi', {}, label), ' ', typeNode(field, form)),
    docNode(field.doc),
    ...nodes,
    complaintAt(path, form, controls),
  );
}

/** @param {Field} field @param {import('../drafts.js').MembersDraft} draft @param {Place} place @param {string} path @param {Form} form @param {string} label */
function membersField(field, draft, place, path, form, label) {
  const canBeAbsent = place === 'member' && field.shape.kind === 'struct' && !field.flatten;
  const body = element('div', { class: 'members' });
  const toggle = element('button', { type: 'button', class: 'small quiet' });
  const show = () => {
    const isGiven = draft.given || !canBeAbsent;
    const nodes = isGiven ? memberFields(field, draft, path, form, field.flatten?.prefix ?? '') : [];
    body.replaceChildren(...nodes);
    toggle.textContent = isGiven ? 'Leave out' : 'Fill in';
    toggle.setAttribute('aria-label', `${toggle.textContent} ${label}`);
    toggle.hidden = !canBeAbsent;
  };
  toggle.addEventListener('click', () => {
    draft.given = !draft.given;
    show();
    form.changed();
    (draft.given ? firstControl(body) : toggle)?.focus();
  });
  show();
  return group(field, path, form, label, [body, element('p', { class: 'buttons' }, toggle)], [toggle]);
}

/**
 * The fields of a struct or group.
 * @param {Field} field
 * @param {import('../drafts.js').MembersDraft} draft
 * @param {string} path of the object that they stand in
 * @param {Form} form
 * @param {string} prefix of their names there
 * @returns {Node[]}
 */
export function memberFields(field, draft, path, form, prefix) {
  const { fields, union, discriminator } = membersOf(field.shape, form.tables);
  /** @param {Field} member @param {Place} place @param {string} name */
  const view = (member, place, name) => {
    const inner = memberDraft(draft, member);
    const told = { ...member, sensitive: member.sensitive || field.sensitive };
    if (member.flatten) {
      told.flatten = { prefix: prefix + member.flatten.prefix };
    }
    return fieldView(told, inner, place, member.flatten ? path : `${path}.${name}`, form, member.name);
  };
  const nodes = fields.map((member) => view(member, 'member', prefix + member.name));
  if (union.length === 0) {
    return nodes;
  }
  const chosen = element('div', { class: 'chosen' });
  const id = freshId();
  const select = element(
    'select',
    { id },
    element('option', { value: '' }, `default: ${union[0].name}`),
    ...union.map(({ name, type }) => element('option', { value: name }, `${name} · ${type}`)),
  );
  const show = () => {
    const member = union.find(({ name }) => name === draft.which);
    const name = prefix + ((member && discriminator?.value_name) || member?.name || '');
    chosen.replaceChildren(...(member ? [view(member, 'variant', name)] : []));
  };
  select.value = draft.which;
  select.addEventListener('change', () => {
    draft.which = select.value;
    show();
    form.changed();
  });
  show();
  const words = field.name ? `${field.name} is one of` : 'one of';
  return [
    ...nodes,
    element(
      'div',
      { class: 'field union' },
      element('label', { for: id }, words),
      element('span', { class: 'type' }, 'union'),
      select,
    ),
    chosen,
  ];
}
