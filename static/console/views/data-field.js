// @ts-check
/** A field for bytes: typed as text, base64 or hex, or read from a file. */
import { toBase64 } from '../scalars.js';
import { element, freshId } from './elements.js';

const WAYS = /** @type {const} */ (['text', 'base64', 'hex', 'file']);

/**
 * @param {import('../description.js').Field} field
 * @param {import('../drafts.js').DataDraft} draft
 * @param {import('./fields.js').Form} form
 * @param {string} label
 * @returns {{control: HTMLElement, more: HTMLElement}}
 */
export function dataControl(field, draft, form, label) {
  const id = freshId();
  const fileId = freshId();
  const type = field.sensitive ? 'password' : 'text';
  const control = element('input', { type, autocomplete: 'off', spellcheck: 'false' });
  const way = element('select', { id }, ...WAYS.map((how) => element('option', { value: how }, how)));
  const file = element('input', { type: 'file', id: fileId });
  const told = element('span', { class: 'hint' });
  const picker = element('span', {}, element('label', { for: fileId, class: 'sr' }, `File for ${label}`), file);
  const show = () => {
    const isFile = draft.how === 'file';
    way.value = draft.how;
    control.value = isFile ? (draft.file ?? '') : draft.text;
    control.readOnly = isFile;
    control.placeholder = isFile ? 'no file chosen' : draft.how;
    picker.hidden = !isFile;
    told.textContent = isFile && draft.text ? `${Math.floor((draft.text.length * 3) / 4)} bytes` : '';
  };
  control.addEventListener('input', () => {
    draft.text = control.value;
    draft.given = false;
    form.changed();
  });
  way.addEventListener('change', () => {
    const isFile = draft.how === 'file' || way.value === 'file';
    draft.how = /** @type {typeof draft.how} */ (way.value);
    if (isFile) {
      draft.text = '';
      draft.file = undefined;
    }
    show();
    form.changed();
  });
  file.addEventListener('change', async () => {
    const [chosen] = file.files ?? [];
    if (chosen) {
      draft.text = toBase64(new Uint8Array(await chosen.arrayBuffer()));
      draft.file = chosen.name;
      draft.given = true;
      show();
      form.changed();
    }
  });
  show();
  return {
    control,
    more: element(
      'div',
      { class: 'data' },
      element('label', { for: id, class: 'sr' }, `How ${label} is given`),
      way,
      picker,
      told,
    ),
  };
}
