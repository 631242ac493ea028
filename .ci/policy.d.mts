/** Brings `dist/policy.wasm.gz` up to date: see `policy.mjs`. */
export declare function buildPolicyModule(): string[];
/** The `go` to run; nothing when there is none. */
export declare function findGo(): string | undefined;
