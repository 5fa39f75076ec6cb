// @ts-check
/** What `GET /api/{service}` says about services, and plain questions about it. Knows no page and no connection. */

/**
 * @typedef {object} Shape a type for programs
 * @property {string} kind one of `KINDS`
 * @property {Shape} [element] of a list
 * @property {string} [encoding] of data: `bytes`, `base64` or `hex`
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

/**
 * @typedef {object} Kind what the page makes of a kind of shape
 * @property {'number' | 'wide' | 'decimal' | 'text' | 'data' | 'flag' | 'nothing' | 'choice' | 'object' | 'json'} control
 *   the field of a form
 * @property {unknown} [sample] a value to begin with, where it is the same for all types of the kind
 * @property {[number, number]} [range] least and greatest value
 */

/** @param {number} bits @returns {Kind} */
const signed = (bits) => ({ control: 'number', sample: 0, range: [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] });
/** @param {number} bits @returns {Kind} */
const unsigned = (bits) => ({ control: 'number', sample: 0, range: [0, 2 ** bits - 1] });

/**
 * Every kind that the gateway names (`SHAPE_KINDS` in gateway/describe/descriptions.py); tests/vectors/kinds.json holds both
 * sides to the same.
 * @type {Record<string, Kind>}
 */
export const KINDS = {
  void: { control: 'nothing', sample: null },
  bool: { control: 'flag', sample: false },
  int8: signed(8),
  int16: signed(16),
  int32: signed(32),
  int64: { control: 'wide', sample: '0' },
  uint8: unsigned(8),
  uint16: unsigned(16),
  uint32: unsigned(32),
  uint64: { control: 'wide', sample: '0' },
  float32: { control: 'decimal', sample: 0 },
  float64: { control: 'decimal', sample: 0 },
  text: { control: 'text', sample: '' },
  data: { control: 'data', sample: '' },
  list: { control: 'json' },
  enum: { control: 'choice' },
  struct: { control: 'json' },
  group: { control: 'json' },
  json: { control: 'json', sample: null },
  interface: { control: 'object', sample: null },
  anyPointer: { control: 'json', sample: null },
  capability: { control: 'json', sample: null },
  anyStruct: { control: 'json', sample: {} },
  anyList: { control: 'json', sample: [] },
};

/** A gateway that is newer than this page may name another. @type {Kind} */
const UNKNOWN = { control: 'json', sample: null };

/** @param {Shape} shape */
export function kindOf({ kind }) {
  return Object.hasOwn(KINDS, kind) ? KINDS[kind] : UNKNOWN;
}

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
  switch (kind) {
    case 'list':
      return [];
    case 'enum':
      return tables.enums[name]?.values[0]?.name ?? 0;
    case 'struct':
      return depth < SAMPLE_DEPTH ? sampleStruct(tables.structs[name], tables, depth + 1) : {};
    case 'group':
      return sampleStruct({ fields: shape.fields ?? [], union: shape.union ?? [] }, tables, depth + 1);
    default:
      return kindOf(shape).sample;
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
