// @ts-check
/** A field for an interface: one of the live objects, or a callback that this page answers by rules. */
import { defaultRule, ruleProblem } from '../callbacks.js';
import { element, freshId } from './elements.js';

/** @typedef {import('../drafts.js').Rule} Rule */

/** @type {[Rule['how'], string][]} */
const HOWS = [
  ['ask', 'ask me'],
  ['at once', 'answer at once, with defaults'],
  ['value', 'always answer this'],
  ['fail', 'fail with these words'],
];

/**
 * @param {import('../description.js').Field} field
 * @param {import('../drafts.js').ObjectDraft} draft
 * @param {import('../drafts.js').Place} _place
 * @param {import('./fields.js').Form} form
 * @returns {{control: HTMLElement, more: HTMLElement}}
 */
export function objectControl(field, draft, _place, form) {
  const name = field.shape.name ?? '';
  const methods = form.tables.interfaces[name]?.methods ?? [];
  const control = element('select', { onfocus: () => offer() });
  const rules = element('div', { class: 'rules' });
  const offer = () => {
    const objects = form.objects(name);
    const known = objects.some(({ token }) => token === draft.token);
    control.replaceChildren(
      // Of what interface a capability is, the schema does not say, so this page knows no methods to answer.
      ...(name ? [element('option', { value: 'callback' }, 'a callback: this page answers')] : []),
      element('option', { value: 'none' }, 'nothing'),
      ...objects.map(({ token, label }) => element('option', { value: `@${token}` }, label)),
    );
    if (draft.choice === 'object' && !known) {
      control.append(element('option', { value: `@${draft.token}` }, 'an object that is no more'));
    }
    control.value = draft.choice === 'object' ? `@${draft.token}` : draft.choice;
  };
  const show = () => {
    rules.hidden = draft.choice !== 'callback' || methods.length === 0;
  };
  control.addEventListener('change', () => {
    const { value } = control;
    draft.choice = value.startsWith('@') ? 'object' : value === 'none' ? 'none' : 'callback';
    draft.token = value.startsWith('@') ? value.slice(1) : '';
    show();
    form.changed();
  });
  rules.append(
    ...methods.map((method) =>
      ruleField(method, form.tables, draft.rules[method.name] ?? defaultRule(method), (rule) => {
        draft.rules[method.name] = rule;
        form.changed();
      }),
    ),
  );
  offer();
  show();
  return { control, more: rules };
}

/**
 * How one method of a callback is answered.
 * @param {import('../description.js').Method} method
 * @param {import('../description.js').Tables} tables
 * @param {Rule} rule
 * @param {(rule: Rule) => void} changed
 * @returns {HTMLElement}
 */
export function ruleField(method, tables, rule, changed) {
  const [id, textId] = [freshId(), freshId()];
  const select = element('select', { id }, ...HOWS.map(([how, words]) => element('option', { value: how }, words)));
  const text = element('input', { id: textId, type: 'text', class: 'code', autocomplete: 'off', spellcheck: 'false' });
  const label = element('label', { for: textId, class: 'sr' });
  const complaint = element('div', { class: 'complaint', id: freshId(), 'aria-live': 'polite' });
  text.setAttribute('aria-describedby', complaint.id);
  const sample = Object.fromEntries(method.results.map((result) => [result.name, result.default ?? null]));
  const show = () => {
    text.hidden = label.hidden = select.value !== 'value' && select.value !== 'fail';
    label.textContent = select.value === 'fail' ? `Words of ${method.name}` : `${method.name} answers`;
    text.placeholder = select.value === 'fail' ? 'why it fails' : JSON.stringify(sample);
  };
  const said = () => ({ how: /** @type {Rule['how']} */ (select.value), text: text.value });
  const judge = () => {
    const problem = ruleProblem(said(), method, tables);
    complaint.textContent = problem.slice(0, 1_000);
    text.setAttribute('aria-invalid', String(problem !== ''));
  };
  const tell = () => {
    show();
    judge();
    changed(said());
  };
  select.value = rule.how;
  text.value = rule.text;
  select.addEventListener('change', tell);
  text.addEventListener('input', tell);
  show();
  judge();
  return element('div', { class: 'rule' }, element('label', { for: id }, method.name), select, label, text, complaint);
}
