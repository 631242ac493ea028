import type { PolicyFailure, PolicyKind } from "./policy.ts";

/** What the evaluator's thread is started with. Two words tell it from a worker of a batch. */
export interface EvaluatorSetup {
  readonly role: "policies";
  /** Where {@link PolicyModule} lies, as URLs. */
  readonly module: string;
  readonly support: string;
  readonly maxMemoryBytes: number;
}

/** One question to the evaluator. */
export interface EvaluatorQuestion {
  readonly statement: Uint8Array;
  readonly policies: readonly {
    readonly path: string;
    readonly kind: PolicyKind;
    readonly text: string;
  }[];
}

/** What the evaluator's thread says; it speaks first. */
export type EvaluatorAnswer =
  | { readonly type: "ready" }
  | { readonly type: "answer"; readonly failures: readonly PolicyFailure[] }
  /** The program inside is gone, and what it said. */
  | { readonly type: "ended"; readonly isOutOfMemory: boolean; readonly detail: string };

/** Whether a thread with this `workerData` is an evaluator of policies. */
export function isEvaluatorSetup(data: unknown): data is EvaluatorSetup {
  return typeof data === "object" && data !== null && "role" in data && data.role === "policies";
}
