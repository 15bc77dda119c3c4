/**
 * What the glue has for `WebAssembly`: an instance whose functions are called by their places in a list.
 *
 * V8 11 (Node 20) takes a call of a wasm function that it knows into the code that it optimises. Where that code has to be
 * left within such a call whose result is a reference, the process ends ("unreachable code"). What an element of a list is,
 * V8 takes for unknown.
 */
export const apart = {
  Instance: class {
    /**
     * @param {WebAssembly.Module} module
     * @param {WebAssembly.Imports} imports
     */
    constructor(module, imports) {
      const { exports } = new WebAssembly.Instance(module, imports);
      /** @type {Function[]} */
      const functions = [];
      this.exports = Object.fromEntries(Object.entries(exports).map(([name, value]) => {
        if (typeof value !== 'function') return [name, value];
        const place = functions.push(value) - 1;
        return [name, (/** @type {unknown[]} */ ...args) => functions[place](...args)];
      }));
    }
  },
  get Module() {
    return WebAssembly.Module;
  },
};
