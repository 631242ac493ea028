import type { Environment } from "../io/env.ts";
import { programUrl } from "../io/program.ts";
import { Evaluator } from "./evaluator.ts";
import { judgeByExecutables } from "./executables.ts";
import { findPolicyModule } from "./module.ts";
import type { PolicyFailure, PolicySource } from "./policy.ts";

/** Three milliseconds are usual; a statement with a large SBOM takes seconds. */
const DEFAULT_TIMEOUT_MS = 30_000;
/** CUE and OPA hold a statement some ten times over. */
const DEFAULT_MAX_MEMORY_BYTES = 1024 * 1024 * 1024;

/** How policies are evaluated. */
export interface PolicyOptions {
  /** The time of one evaluation. Default 30,000. */
  readonly timeoutMs?: number;
  /** The memory of CUE and OPA. Default 1 GiB. */
  readonly maxMemoryBytes?: number;
  /** Where `PATH` is looked up when CUE and OPA are not built in. Default: no `PATH`. */
  readonly env?: Environment;
  /** The file that the evaluator's thread runs. Default: this program. */
  readonly program?: URL;
}

/**
 * Judges verified statements by CUE and Rego policies as cosign does, with the libraries that cosign
 * uses: built in, or else by the executables `cue` and `opa` on the `PATH`. A policy gets no network,
 * no environment and no files. Nothing is loaded before the first question. Whoever made it closes it.
 */
export class PolicyJudge {
  readonly #limits: { readonly timeoutMs: number; readonly maxMemoryBytes: number };
  readonly #path: string;
  readonly #evaluator: Evaluator | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: PolicyOptions = {}) {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, maxMemoryBytes = DEFAULT_MAX_MEMORY_BYTES } = options;
    const program = options.program ?? programUrl();
    const module = findPolicyModule(program);
    this.#limits = { timeoutMs, maxMemoryBytes };
    this.#path = options.env?.["PATH"] ?? "";
    if (module !== undefined) this.#evaluator = new Evaluator(program, module, this.#limits);
  }

  /**
   * Judges one statement: all CUE policies, unified as one, then, when they are satisfied, all Rego
   * policies together, which must make `data.signature.allow` the single value `true`. A policy that
   * is no policy is a failure, as in cosign.
   *
   * @param statement JSON, as cosign writes it for the predicate type.
   * @returns nothing when the statement satisfies all policies.
   * @throws {CosignError} `LIMIT_EXCEEDED` for time and memory, `POLICY_UNAVAILABLE` when there is
   * nothing to evaluate with, `POLICY_FAULT`, `CANCELLED`.
   */
  judge(
    statement: Uint8Array | string,
    policies: readonly PolicySource[],
    signal?: AbortSignal,
  ): Promise<readonly PolicyFailure[]> {
    if (policies.length === 0) return Promise.resolve([]);
    const bytes = typeof statement === "string" ? new TextEncoder().encode(statement) : statement;
    const judging = this.#last.then(() =>
      this.#evaluator === undefined
        ? judgeByExecutables(bytes, policies, { ...this.#limits, path: this.#path, signal })
        : this.#evaluator.ask({ statement: bytes, policies }, signal),
    );
    this.#last = judging.catch(() => {}); // the one who asked is told
    return judging;
  }

  /** Ends the evaluator's thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#evaluator?.close();
  }
}

/** Judges one statement, as {@link PolicyJudge.judge}, and ends the evaluator. */
export async function evaluatePolicies(
  statement: Uint8Array | string,
  policies: readonly PolicySource[],
  options: PolicyOptions & { readonly signal?: AbortSignal } = {},
): Promise<readonly PolicyFailure[]> {
  await using judge = new PolicyJudge(options);
  return await judge.judge(statement, policies, options.signal);
}
