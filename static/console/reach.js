// @ts-check
/** Which types lead to fields of some sort, at any depth; so that whoever looks for them passes over all others. */

/** @typedef {import('./description.js').Field} Field */
/** @typedef {import('./description.js').Shape} Shape */
/** @typedef {import('./description.js').Tables} Tables */

export class Reach {
  #tables;
  #isMeant;
  /** Whether structs lead to one, once it was asked of any. @type {Map<string, boolean> | undefined} */
  #structs;

  /** @param {Tables} tables @param {(field: Field) => boolean} isMeant */
  constructor(tables, isMeant) {
    this.#tables = tables;
    this.#isMeant = isMeant;
  }

  /** Whether a field is one, or has one in its type. @param {Field} field @returns {boolean} */
  of(field) {
    return this.#isMeant(field) || this.within(field.shape);
  }

  /** Whether a type has one in it. @param {Shape} shape @returns {boolean} */
  within(shape) {
    switch (shape.kind) {
      case 'list':
        return shape.element !== undefined && this.of({ name: '', type: '', shape: shape.element });
      case 'group':
        return [...(shape.fields ?? []), ...(shape.union ?? [])].some((field) => this.of(field));
      case 'struct':
        this.#structs ??= this.#all();
        return this.#structs.get(shape.name ?? '') === true;
      default:
        return false;
    }
  }

  /** Found by going on until nothing changes, as structs may contain themselves. */
  #all() {
    /** @type {Map<string, boolean>} */
    const structs = (this.#structs = new Map());
    for (let changes = true; changes; ) {
      changes = false;
      for (const [name, { fields, union }] of Object.entries(this.#tables.structs)) {
        if (!structs.get(name) && [...fields, ...union].some((field) => this.of(field))) {
          structs.set(name, true);
          changes = true;
        }
      }
    }
    return structs;
  }
}
