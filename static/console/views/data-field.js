// @ts-check
/** A field for bytes: typed as text, base64 or hex, or read from a file. */
import { bytesInWords, rewriteData, toBase64 } from '../scalars.js';
import { element, freshId } from './elements.js';

const WAYS = /** @type {const} */ (['text', 'base64', 'hex', 'file']);
// Nobody reads on in what was read from a longer file.
const MOST_CHARS = 100_000;

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
    told.textContent = isFile && draft.text ? bytesInWords(draft.text) : '';
  };
  control.addEventListener('input', () => {
    draft.text = control.value;
    draft.given = false;
    form.changed();
  });
  way.addEventListener('change', () => {
    const wanted = /** @type {typeof draft.how} */ (way.value);
    const before = draft.how === 'file' ? 'base64' : draft.how;
    if (wanted === 'file' || draft.text.length > MOST_CHARS) {
      draft.text = '';
    } else {
      try {
        draft.text = rewriteData(draft.text, before, wanted);
      } catch (error) {
        if (error instanceof TypeError) {
          show();
          told.textContent = 'These bytes are no text.';
          return;
        }
        // It was not whole as it stood, and stays as it was typed.
      }
    }
    draft.file = undefined;
    draft.how = wanted;
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
