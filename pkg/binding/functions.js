/** @import { Glue } from '../wasm/glue.js' */
import { WasmHalf } from './wasm-half.js';

// How functions of src/wasm are reached that belong to no object.

/** @type {WasmHalf<typeof Glue> | undefined} */
let functions;

/**
 * What a function comes to; throws what it failed with.
 *
 * @param {(functions: typeof Glue) => any} work
 * @returns {any}
 */
export function callFunction(work) {
  functions ??= new WasmHalf((now) => now.glue);
  return functions.call(work);
}
