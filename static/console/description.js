// @ts-check
/** What `GET /api/{service}` says about services, and plain questions about it. Knows no page and no connection. */

/**
 * @typedef {object} Shape a type for programs
 * @property {string} kind `int32`, `list`, `struct`, `group` …
 * @property {Shape} [element] of a list
 * @property {string} [name] of an enum, struct or interface: its entry in the tables of the description
 * @property {Field[]} [fields] of a group
 * @property {Field[]} [union] of a group
 */

/**
 * @typedef {object} Field a parameter, result or member
 * @property {string} name
 * @property {string} type as the schema says it: `List(Person)`
 * @property {Shape} shape
 * @property {string} [doc]
 * @property {unknown} [default]
 */

/**
 * @typedef {object} Method
 * @property {string} name
 * @property {string} [doc]
 * @property {string} signature
 * @property {Field[]} params
 * @property {Field[]} results
 * @property {Shape | null} [results_struct] set: the results are one struct
 * @property {boolean} [read_only]
 * @property {boolean} [idempotent]
 */

/** @typedef {{doc?: string, fields: Field[], union: Field[]}} Struct */
/** @typedef {{doc?: string, values: {name: string, number: number, doc?: string}[]}} Enum */
/** @typedef {{doc?: string, methods: Method[]}} Interface */

/**
 * @typedef {object} Tables the types that methods lead to, by name
 * @property {Record<string, Struct>} structs
 * @property {Record<string, Enum>} enums
 * @property {Record<string, Interface>} interfaces
 */

/** @typedef {Interface & Tables & {interface: string | null}} Description of a service or an object */

/** Least and greatest value of the integer types that a JavaScript number holds. @type {Record<string, [number, number]>} */
export const INTEGER_RANGES = {
  int8: [-(2 ** 7), 2 ** 7 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uInt8: [0, 2 ** 8 - 1],
  uInt16: [0, 2 ** 16 - 1],
  uInt32: [0, 2 ** 32 - 1],
};

// Deep enough to see the form of a value; a struct that contains itself would have no end.
const SAMPLE_DEPTH = 3;

/**
 * A value of a type, for a form to begin with: zeros, empty texts, the members of structs.
 * @param {Shape} shape
 * @param {Tables} tables
 * @returns {unknown}
 */
export function sampleValue(shape, tables, depth = 0) {
  const { kind, name = '' } = shape;
  if (kind in INTEGER_RANGES || kind.startsWith('float')) {
    return 0;
  }
  switch (kind) {
    case 'bool':
      return false;
    case 'int64':
    case 'uInt64':
      return '0';
    case 'text':
    case 'data':
      return '';
    case 'list':
      return [];
    case 'enum':
      return tables.enums[name]?.values[0]?.name ?? 0;
    case 'struct':
      return depth < SAMPLE_DEPTH ? sampleStruct(tables.structs[name], tables, depth + 1) : {};
    case 'group':
      return sampleStruct({ fields: shape.fields ?? [], union: shape.union ?? [] }, tables, depth + 1);
    default:
      return null;
  }
}

/**
 * Every member but those that hold objects; of a union the first, since only one can be set.
 * @param {Struct | undefined} struct
 * @param {Tables} tables
 * @param {number} depth
 */
function sampleStruct(struct, tables, depth) {
  const members = struct ? [...struct.fields, ...struct.union.slice(0, 1)] : [];
  return Object.fromEntries(
    members
      .filter(({ shape }) => shape.kind !== 'interface' && shape.kind !== 'anyPointer')
      .map((field) => [field.name, field.default ?? sampleValue(field.shape, tables, depth)]),
  );
}

/**
 * Parameters by name to begin with. Objects are left out.
 * @param {Method} method
 * @param {Tables} tables
 */
export function sampleParams({ params }, tables) {
  return sampleStruct({ fields: params, union: [] }, tables, 0);
}

/**
 * What a callback answers if nobody chose: nothing, one value, or several by name.
 * @param {Method} method
 * @param {Tables} tables
 */
export function sampleResult({ results, results_struct }, tables) {
  if (results.length === 0) {
    return null;
  }
  return results.length === 1 && !results_struct
    ? sampleValue(results[0].shape, tables)
    : Object.fromEntries(results.map(({ name, shape }) => [name, sampleValue(shape, tables)]));
}
