// Loaders of workers import the compiled module itself.
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}
