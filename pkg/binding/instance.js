import { QueueError } from '../errors.js';
import { instantiate } from '../wasm/glue.js';

/** @import { Glue, InitOutput } from '../wasm/glue.js' */

/**
 * The glue of an instance, and what the instance itself exports.
 *
 * @typedef {{ glue: typeof Glue, exports: InitOutput }} Instance
 */

/** @type {() => WebAssembly.Module} */
let compile = () => {
  throw new QueueError('host', 'host: the wasm module is not loaded: call init(module) first');
};
/** @type {WebAssembly.Module | undefined} */
let compiled;
/** @type {Instance | undefined} */
let current;

/**
 * Says where the compiled module comes from. A loader does this when it is imported; nothing is compiled by it.
 *
 * @param {() => WebAssembly.Module} compiledModule called once, at the first use
 */
export function provide(compiledModule) {
  compile = compiledModule;
}

/**
 * The instance, made at the first use.
 *
 * @returns {Instance}
 */
export function instance() {
  return (current ??= makeInstance());
}

function makeInstance() {
  compiled ??= compile();
  const glue = instantiate({}, queueMicrotask, setTimeout, clearTimeout, undefined);
  return { glue, exports: glue.initSync({ module: compiled }) };
}
