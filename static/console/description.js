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
 * @property {Discriminator} [discriminator] of a group
 */

/** @typedef {{name: string, value_name?: string | null}} Discriminator the member that says which of a union is meant */

/**
 * @typedef {object} Field a parameter, result or member
 * @property {string} name
 * @property {string} type as the schema says it: `List(Person)`
 * @property {Shape} shape
 * @property {string} [doc]
 * @property {unknown} [default] absent: there is none; null: there is one, and the description cannot say it
 * @property {boolean} [optional]
 * @property {{prefix: string}} [flatten] its members stand among those of the struct around it
 * @property {boolean} [sensitive] a secret
 */

/**
 * @typedef {object} Method
 * @property {string} name
 * @property {string} [doc]
 * @property {string} signature
 * @property {Field[]} params
 * @property {Shape | null} [params_struct] set: the parameters are one struct
 * @property {Field[]} results
 * @property {Shape | null} [results_struct] set: the results are one struct
 * @property {boolean} [read_only]
 * @property {boolean} [idempotent]
 * @property {number} [timeout_s]
 * @property {string[]} [requires] roles
 * @property {{verb: string, path: string, body: string}} [http]
 */

/** @typedef {{doc?: string, fields: Field[], union: Field[], discriminator?: Discriminator}} Struct */
/** @typedef {{doc?: string, values: {name: string, number: number, doc?: string}[]}} Enum */
/** @typedef {{doc?: string, extends?: string[], methods: Method[]}} Interface */

/**
 * @typedef {object} Tables the types that methods lead to, by name
 * @property {Record<string, Struct>} structs
 * @property {Record<string, Enum>} enums
 * @property {Record<string, Interface>} interfaces
 */

/** @typedef {Interface & Tables & {interface: string | null, service?: string}} Description of a service or an object */

/**
 * @typedef {object} Kind what the page makes of a kind of shape
 * @property {'integer' | 'float' | 'text' | 'data' | 'flag' | 'nothing' | 'choice' | 'object' | 'list' | 'members' | 'json'} control
 *   the field of a form
 * @property {unknown} [sample] a value to begin with, where it is the same for all types of the kind
 * @property {[bigint, bigint]} [range] least and greatest value
 * @property {boolean} [wide] a number of JSON may not hold it
 */

/** @param {number} bits @returns {Kind} */
const signed = (bits) => ({ ...integer(bits), range: [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n] });
/** @param {number} bits @returns {Kind} */
const unsigned = (bits) => ({ ...integer(bits), range: [0n, 2n ** BigInt(bits) - 1n] });
/** @param {number} bits @returns {Kind} */
const integer = (bits) => ({ control: 'integer', sample: bits > 53 ? '0' : 0, wide: bits > 53 });

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
  int64: signed(64),
  uint8: unsigned(8),
  uint16: unsigned(16),
  uint32: unsigned(32),
  uint64: unsigned(64),
  float32: { control: 'float', sample: 0 },
  float64: { control: 'float', sample: 0 },
  text: { control: 'text', sample: '' },
  data: { control: 'data', sample: '' },
  list: { control: 'list' },
  enum: { control: 'choice' },
  struct: { control: 'members' },
  group: { control: 'members' },
  json: { control: 'json', sample: null },
  interface: { control: 'object', sample: null },
  anyPointer: { control: 'json', sample: null },
  capability: { control: 'object', sample: null },
  anyStruct: { control: 'json', sample: {} },
  anyList: { control: 'json', sample: [] },
};

/** A gateway that is newer than this page may name another. @type {Kind} */
const UNKNOWN = { control: 'json', sample: null };

/** @param {Shape} shape */
export function kindOf({ kind }) {
  return Object.hasOwn(KINDS, kind) ? KINDS[kind] : UNKNOWN;
}

/** @type {Struct} */
const NO_MEMBERS = { fields: [], union: [] };

/**
 * What a struct or group has; nothing if the tables do not know it.
 * @param {Shape} shape
 * @param {Tables} tables
 * @returns {Struct}
 */
export function membersOf(shape, tables) {
  if (shape.kind === 'group') {
    return { fields: shape.fields ?? [], union: shape.union ?? [], discriminator: shape.discriminator };
  }
  const { name = '' } = shape;
  return Object.hasOwn(tables.structs, name) ? tables.structs[name] : NO_MEMBERS;
}

/**
 * The parameters of a method as one shape.
 * @param {Method} method
 * @returns {Shape}
 */
export function paramsShape({ params, params_struct }) {
  return params_struct ?? { kind: 'group', fields: params, union: [] };
}

/**
 * The results of a method as one shape.
 * @param {Method} method
 * @returns {Shape}
 */
export function resultsShape({ results, results_struct }) {
  return results_struct ?? { kind: 'group', fields: results, union: [] };
}

/**
 * The one result that comes without its name, if there is only one.
 * @param {Method} method
 */
export function onlyResult({ results, results_struct }) {
  return results.length === 1 && !results_struct ? results[0] : undefined;
}
