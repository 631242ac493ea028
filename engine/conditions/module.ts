import { findAsset } from "../io/program.ts";

/** CUE and OPA as `npm run build` made them of `plugins/policy/`. */
export interface PolicyModule {
  /** The gzipped WebAssembly module. */
  readonly module: URL;
  /** The support file of the Go that compiled it. */
  readonly support: URL;
}

/** Finds the module beside a program. @returns nothing when the program was built without it. */
export function findPolicyModule(program: URL): PolicyModule | undefined {
  const module = findAsset("policy.wasm.gz", program);
  const support = findAsset("wasm_exec.js", program);
  return module === undefined || support === undefined ? undefined : { module, support };
}
