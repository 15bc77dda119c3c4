/**
 * Values of every class, to be tried where they do not belong, each made anew for each call. `kind` is what the types
 * of arguments below go by.
 *
 * @typedef {{ name: string, make: () => any, kind: string, shown?: RegExp }} Wrong `shown`: how an error describes it
 */

const detached = (bytes) => {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
};

const cycle = () => {
  const object = {};
  object.self = [object];
  return object;
};

/** @type {Wrong[]} */
export const VALUES = [
  { name: 'undefined', make: () => undefined, kind: 'undefined', shown: /undefined/ },
  { name: 'null', make: () => null, kind: 'null', shown: /null/ },
  { name: 'true', make: () => true, kind: 'boolean', shown: /true/ },
  { name: 'false', make: () => false, kind: 'boolean', shown: /false/ },
  { name: '0', make: () => 0, kind: 'natural', shown: /0/ },
  { name: '-1', make: () => -1, kind: 'integer', shown: /-1/ },
  { name: '0.5', make: () => 0.5, kind: 'finite', shown: /0\.5/ },
  { name: '4294967296', make: () => 2 ** 32, kind: 'huge', shown: /4294967296/ },
  { name: 'NaN', make: () => NaN, kind: 'number', shown: /NaN/ },
  { name: 'Infinity', make: () => Infinity, kind: 'infinite', shown: /Infinity/ },
  { name: '-Infinity', make: () => -Infinity, kind: 'number', shown: /-Infinity/ },
  { name: 'an empty string', make: () => '', kind: 'empty', shown: /""/ },
  { name: 'a string', make: () => '7', kind: 'text', shown: /"7"/ },
  { name: 'a string with a line end', make: () => 'a@b\r\nRCPT TO:<c@d>', kind: 'lines', shown: /RCPT/ },
  { name: 'a string with a NUL', make: () => 'a\0b', kind: 'nul', shown: /\\u0000/ },
  { name: 'a lone surrogate', make: () => 'a\ud800', kind: 'surrogate', shown: /ud800/ },
  { name: 'a bigint', make: () => 10n, kind: 'bigint', shown: /10/ },
  { name: 'a symbol', make: () => Symbol('s'), kind: 'symbol', shown: /symbol/ },
  { name: 'a function', make: () => () => 5, kind: 'function', shown: /function/ },
  { name: 'a class', make: () => class {}, kind: 'function', shown: /function/ },
  { name: 'an empty array', make: () => [], kind: 'array', shown: /array/ },
  { name: 'an array with a hole', make: () => [, 'a@b'], kind: 'strange array', shown: /array|undefined/ },
  { name: 'an array of objects', make: () => [{}, undefined], kind: 'strange array', shown: /array|object|undefined/ },
  { name: 'an object', make: () => ({}), kind: 'object', shown: /object/ },
  { name: 'an object without a prototype', make: () => Object.create(null), kind: 'object', shown: /object/ },
  {
    name: 'an object that converts itself',
    make: () => ({ toString: () => '7', valueOf: () => 7 }),
    kind: 'strange object',
    shown: /object|function/,
  },
  { name: 'a boxed string', make: () => new String('7'), kind: 'boxed string', shown: /object|"7"/ },
  { name: 'a boxed number', make: () => new Number(7), kind: 'strange', shown: /object/ },
  { name: 'a Date', make: () => new Date(7), kind: 'date', shown: /object/ },
  { name: 'an invalid Date', make: () => new Date(NaN), kind: 'invalid date', shown: /object/ },
  { name: 'a Map', make: () => new Map(), kind: 'map', shown: /object/ },
  { name: 'a Set', make: () => new Set(), kind: 'set', shown: /object/ },
  { name: 'a WeakMap', make: () => new WeakMap(), kind: 'strange', shown: /object/ },
  { name: 'a RegExp', make: () => /7/, kind: 'strange', shown: /object/ },
  { name: 'an Error', make: () => new Error('7'), kind: 'strange', shown: /object/ },
  { name: 'a promise', make: () => Promise.resolve(7), kind: 'strange', shown: /object/ },
  { name: 'bytes', make: () => new Uint8Array(2), kind: 'bytes', shown: /object|0/ },
  { name: 'detached bytes', make: () => detached(new Uint8Array(2)), kind: 'detached' },
  { name: 'an ArrayBuffer', make: () => new ArrayBuffer(2), kind: 'strange', shown: /object/ },
  { name: 'floats', make: () => new Float64Array(2), kind: 'floats', shown: /object|0/ },
  { name: 'a DataView', make: () => new DataView(new ArrayBuffer(2)), kind: 'strange', shown: /object/ },
  { name: 'a cycle', make: cycle, kind: 'cycle', shown: /object|array/ },
  { name: 'a revoked proxy', make: revoked, kind: 'revoked' },
  { name: 'a revoked proxy of an array', make: () => revoked([]), kind: 'revoked' },
];

function revoked(target = {}) {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

const FINITE = ['natural', 'integer', 'finite', 'huge'];
const STRINGS = ['empty', 'text', 'lines', 'nul', 'surrogate'];
const ITERABLES = ['array', 'map', 'set', 'bytes', 'floats'];
/** Whatever else is an object. */
const STRANGE = [
  'function', 'strange object', 'cycle', 'array', 'strange array', 'strange', 'date', 'invalid date', 'map', 'set',
  'bytes', 'detached', 'floats', 'boxed string',
];
const EXTRAS = [
  'null', 'boolean', ...FINITE, 'empty', 'text', 'lines', 'nul', 'bigint', 'array', 'object', 'date', 'map', 'set',
  'bytes',
];

/**
 * What each type of an argument takes (`good`), what is a number out of its range (`range`), what is nobody's id
 * (`key`), what must be refused in one way or the other (`refused`), and what the contract leaves open (`open`).
 */
const TYPES = {
  id: { key: STRINGS },
  idToRemove: { good: STRINGS },
  newId: { good: ['undefined'], refused: STRINGS },
  timestamp: { good: [...FINITE, 'date'], range: ['number', 'infinite'], refused: ['invalid date'] },
  received: { good: [...FINITE, 'undefined', 'null'], range: ['number', 'infinite'] },
  someTimestamp: {
    good: [...FINITE, 'undefined'], range: ['number', 'infinite'], open: ['date'], refused: ['invalid date'],
  },
  until: { good: FINITE, range: ['number', 'infinite'], open: ['date'], refused: ['invalid date'] },
  owner: { good: ['empty', 'text', 'lines', 'nul'], open: ['surrogate'] },
  attempts: { good: ['natural', 'undefined'], range: ['integer', 'finite', 'huge', 'number', 'infinite'] },
  positions: { good: ITERABLES },
  somePositions: { good: [...ITERABLES, 'undefined'] },
  position: { good: ['natural'], range: ['integer', 'finite', 'huge', 'number', 'infinite'] },
  options: { good: ['undefined', 'object'], open: STRANGE },
  anyOptions: { good: ['undefined', 'object'], open: ['null', ...STRANGE] },
  expect: { good: ['null', 'object'], open: STRANGE },
  next: { good: ['object'], open: STRANGE },
  lease: { good: ['undefined', 'null'] },
  age: { good: ['natural', 'finite', 'huge', 'undefined'], range: ['integer', 'number'], open: ['infinite'] },
  ids: { good: ['array', 'map', 'set', 'undefined'], open: ['boxed string'] },
  someId: { open: STRINGS },
  envelope: {},
  address: { good: ['empty', 'text'] },
  sender: { good: ['empty', 'text', 'null'] },
  recipients: { good: ['array'] },
  headers: { good: ['array', 'undefined'] },
  header: {},
  headerName: { good: ['text'] },
  headerValue: { good: ['empty', 'text'] },
  message: { good: ['undefined', 'empty', 'text', 'lines', 'nul', 'bytes'], open: ['surrogate'] },
  client: { good: ['undefined', 'object'], open: STRANGE.filter((kind) => !/array|function/.test(kind)) },
  clientText: { good: ['undefined', 'empty', 'text'], open: ['lines', 'nul', 'surrogate'] },
  receiver: { good: ['undefined', 'null', 'empty', 'text'], open: ['lines', 'nul', 'surrogate'] },
  extra: { good: EXTRAS, open: ['surrogate'] },
  milliseconds: { good: ['finite', 'huge', 'undefined'], range: ['natural', 'integer', 'number'], open: ['infinite'] },
  dictionary: { good: ['undefined', 'null', 'map'] },
};

/**
 * What must come of a value as an argument of a type: the name of its error or another word.
 *
 * @returns {'good' | 'open' | 'refused' | 'RangeError' | 'KeyError' | 'TypeError'}
 */
export function verdict(type, { kind }) {
  const { good = [], open = [], refused = [], range = [], key = [] } = TYPES[type];
  if (good.includes(kind)) return 'good';
  if (open.includes(kind)) return 'open';
  if (refused.includes(kind)) return 'refused';
  if (range.includes(kind)) return 'RangeError';
  return key.includes(kind) ? 'KeyError' : 'TypeError';
}
