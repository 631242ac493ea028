/** Time that a job may take when `--timeout` is not given: cosign's 3m0s. */
export const DEFAULT_TIMEOUT_MS = 180_000;

/** Flags of every command. */
export const GLOBAL_FLAGS = {
  compat: {
    type: "choice",
    values: ["1", "2", "3"],
    brief: "generation of cosign whose defaults hold (default 3)",
  },
  "output-file": { type: "text", brief: "write standard output to a file", placeholder: "file" },
  plugins: {
    type: "text",
    brief: "other people's plugins: a file that declares them",
    placeholder: "file",
  },
  timeout: {
    type: "duration",
    initial: 180_000,
    brief: "time that one image may take; 0 for any (default 3m0s)",
    short: "t",
  },
  verbose: { type: "bool", brief: "say on stderr what is asked of registries", short: "d" },
} as const;
