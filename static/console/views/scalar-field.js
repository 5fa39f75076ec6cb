// @ts-check
/** Fields for single values: numbers, texts, flags, choices, and JSON where the schema says no more. */
import { kindOf } from '../description.js';
import { FLOAT_WORDS } from '../scalars.js';
import { element, freshId } from './elements.js';

/** @typedef {import('../description.js').Field} Field */
/** @typedef {import('../drafts.js').Place} Place */
/** @typedef {import('./fields.js').Form} Form */

/** @param {Field} field @param {import('../drafts.js').TextDraft} draft @param {Place} place @param {Form} form */
export function scalarControl(field, draft, place, form) {
  const { shape } = field;
  const { control: kind, range, sample } = kindOf(shape);
  const hint = field.default ?? (kind === 'text' ? '' : kind === 'json' ? 'null' : sample);
  const oninput = (/** @type {Event} */ event) => {
    draft.text = /** @type {HTMLInputElement} */ (event.currentTarget).value;
    form.changed();
  };
  const plain = {
    value: draft.text,
    oninput,
    autocomplete: 'off',
    spellcheck: 'false',
    placeholder: String(hint ?? ''),
  };
  const type = field.sensitive ? 'password' : 'text';
  switch (kind) {
    case 'nothing':
      return { control: element('output', {}, 'Void has no value') };
    case 'flag': {
      const checked = draft.text === '' ? field.default === true : draft.text === 'true';
      const onchange = (/** @type {Event} */ event) => {
        draft.text = String(/** @type {HTMLInputElement} */ (event.currentTarget).checked);
        form.changed();
      };
      return { control: element('input', { type: 'checkbox', checked, onchange }) };
    }
    case 'choice':
      return { control: choice(field, draft, place, form) };
    case 'integer':
      return {
        control: element('input', {
          ...plain,
          type,
          inputmode: 'numeric',
          title: range && `${range[0]} … ${range[1]}`,
        }),
        more: undefined,
      };
    case 'float': {
      const control = element('input', { ...plain, type, inputmode: 'decimal' });
      return { control, more: field.sensitive ? undefined : words(control, field.name) };
    }
    case 'text':
      return textControl(field, draft, place, form, plain, type);
    default: {
      const control = element('textarea', { ...plain, value: undefined, rows: 3, class: 'code' });
      control.value = draft.text;
      return { control, more: element('p', { class: 'hint' }, 'JSON') };
    }
  }
}

/** Buttons for what a keyboard of digits has no key for. @param {HTMLInputElement} control @param {string} name */
function words(control, name) {
  const buttons = FLOAT_WORDS.map((word) =>
    element(
      'button',
      {
        type: 'button',
        class: 'small quiet',
        'aria-label': `${word} for ${name}`,
        onclick: () => {
          control.value = word;
          control.dispatchEvent(new Event('input'));
        },
      },
      word.replace('Infinity', '∞'),
    ),
  );
  return element('div', { class: 'words' }, ...buttons);
}

/**
 * @param {Field} field
 * @param {import('../drafts.js').TextDraft} draft
 * @param {Place} place
 * @param {Form} form
 * @param {Record<string, unknown>} plain
 * @param {string} type
 */
function textControl(field, draft, place, form, plain, type) {
  const oninput = (/** @type {Event} */ event) => {
    draft.given = false;
    /** @type {any} */ (plain.oninput)(event);
  };
  const area = () => element('textarea', { ...plain, oninput, value: undefined, rows: 4 });
  const isLong = draft.text.includes('\n') && !field.sensitive;
  const control = isLong ? area() : element('input', { ...plain, oninput, type });
  /** @type {HTMLInputElement} */ (control).value = draft.text;
  if (control instanceof HTMLInputElement && !field.sensitive) {
    growForLines(control, area, form);
  }
  // Without this nobody could send an empty text where the schema has a default.
  const canBeEmpty = place === 'member' && typeof field.default === 'string' && field.default !== '';
  if (!canBeEmpty) {
    return { control };
  }
  const id = freshId();
  const onchange = (/** @type {Event} */ event) => {
    draft.given = /** @type {HTMLInputElement} */ (event.currentTarget).checked;
    form.changed();
  };
  const box = element('input', { type: 'checkbox', id, checked: draft.given === true && draft.text === '', onchange });
  return {
    control,
    more: element('p', { class: 'hint' }, box, ' ', element('label', { for: id }, `send ${field.name} empty`)),
  };
}

/**
 * Have a line become an area when more lines are pasted, or asked for by Shift Enter: an input would make blanks of them.
 * @param {HTMLInputElement} line
 * @param {() => HTMLTextAreaElement} make
 * @param {Form} form
 */
function growForLines(line, make, form) {
  /** @param {Event} event @param {string} text */
  const grow = (event, text) => {
    event.preventDefault();
    const area = make();
    area.value = line.value;
    area.id = line.id;
    area.setAttribute('aria-describedby', line.getAttribute('aria-describedby') ?? '');
    area.setSelectionRange(line.selectionStart, line.selectionEnd);
    for (const { controls } of form.complaints.values()) {
      const place = controls.indexOf(line);
      if (place >= 0) {
        controls[place] = area;
      }
    }
    line.replaceWith(area);
    area.focus();
    area.setRangeText(text, area.selectionStart, area.selectionEnd, 'end');
    area.dispatchEvent(new Event('input'));
  };
  line.addEventListener('paste', (event) => {
    const text = event.clipboardData?.getData('text/plain').replaceAll(/\r\n?/g, '\n') ?? '';
    if (text.includes('\n')) {
      grow(event, text);
    }
  });
  line.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && event.shiftKey) {
      grow(event, '\n');
    }
  });
}

/** @param {Field} field @param {import('../drafts.js').TextDraft} draft @param {Place} place @param {Form} form */
function choice(field, draft, place, form) {
  const values = form.tables.enums[field.shape.name ?? '']?.values ?? [];
  const initial = field.default ?? values[0]?.name ?? 0;
  const control = element('select', {
    onchange: () => {
      draft.text = control.value;
      form.changed();
    },
  });
  if (place === 'member') {
    control.append(element('option', { value: '' }, `default: ${initial}`));
  }
  control.append(...values.map(({ name, doc }) => element('option', { value: name, title: doc }, name)));
  if (draft.text && !values.some(({ name }) => name === draft.text)) {
    control.append(element('option', { value: draft.text }, `${draft.text} (no name in the schema)`));
  }
  control.value = draft.text || (place === 'member' ? '' : String(initial));
  return control;
}
