/** @typedef {BufferSource | WebAssembly.Module} Wasm */

/** @type {() => Wasm | undefined} */
let source = () => undefined;

/**
 * Where the module of the queue comes from; it is loaded with the first queue.
 *
 * @param {() => Wasm | undefined} from
 */
export function provide(from) {
  source = from;
}

/**
 * A class as it is, once this is known. Bundlers leave out what nobody imports, the module with it.
 *
 * @template T
 * @param {T} made
 * @param {() => Wasm | undefined} from
 * @returns {T}
 */
export function provided(made, from) {
  provide(from);
  return made;
}

/** The module, unless nobody has provided it. */
export function wasm() {
  return source();
}
