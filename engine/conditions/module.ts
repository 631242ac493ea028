import { statSync } from "node:fs";

/** CUE and OPA as `npm run build` made them of `plugins/policy/`. */
export interface PolicyModule {
  /** The gzipped WebAssembly module. */
  readonly module: URL;
  /** The support file of the Go that compiled it. */
  readonly support: URL;
}

/**
 * Finds the module beside a program: embedded in a compiled one, in `dist/` of the sources.
 *
 * @returns nothing when the program was built without it.
 */
export function findPolicyModule(program: URL): PolicyModule | undefined {
  for (const folder of ["./", "./dist/"]) {
    const module = new URL(`${folder}policy.wasm.gz`, program);
    const support = new URL(`${folder}wasm_exec.js`, program);
    if (isFile(module) && isFile(support)) return { module, support };
  }
  return undefined;
}

function isFile(url: URL): boolean {
  return statSync(url, { throwIfNoEntry: false })?.isFile() === true;
}
