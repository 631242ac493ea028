import { readFileSync } from "node:fs";
import { runInThisContext } from "node:vm";
import { type MessagePort, parentPort } from "node:worker_threads";
import { gunzipSync } from "node:zlib";
import { describeError } from "../model/errors.ts";
import { PolicyFiles } from "./_files.ts";
import type { EvaluatorAnswer, EvaluatorQuestion, EvaluatorSetup } from "./messages.ts";
import { limitWasmMemory } from "./wasm_memory.ts";

/** Go's garbage collector works harder when this much of the memory is in use. */
const COLLECT_AT = 0.9;

/** Go's own support file (`lib/wasm/wasm_exec.js`) defines this. */
interface GoProgram {
  env: Readonly<Record<string, string>>;
  exit: (code: number) => void;
  readonly importObject: ConstructorParameters<typeof WebAssembly.Instance>[1];
  run(instance: WebAssembly.Instance): Promise<void>;
}

/** What the program of `plugins/policy/` and its support file leave in the global scope. */
interface EvaluatorGlobals {
  fs?: PolicyFiles;
  fetch?: unknown;
  Go?: new () => GoProgram;
  evaluatePolicies?: (
    statement: Uint8Array,
    request: string,
    answer: (failures: string) => void,
  ) => void;
}

/**
 * The evaluator's side: loads CUE and OPA, then answers one question after another until it is
 * terminated. It runs in a thread of its own, which it makes unfit for anything else.
 */
export async function runEvaluator(setup: EvaluatorSetup): Promise<void> {
  const port = parentPort;
  if (port === null) throw new TypeError("An evaluator of policies runs in a thread of its own");
  const send = (answer: EvaluatorAnswer): void => port.postMessage(answer);
  const files = new PolicyFiles();
  const end = (error?: unknown): void => {
    const detail = error === undefined ? files.said : describeError(error);
    const isOutOfMemory = /out of memory|cannot allocate memory/i.test(files.said + detail);
    send({ type: "ended", isOutOfMemory, detail: firstLine(detail) });
  };
  const scope = globalThis as EvaluatorGlobals;
  // Go's `net/http` would send by it.
  delete scope.fetch;
  scope.fs = files;
  runInThisContext(readFileSync(new URL(setup.support), "utf8"));
  if (scope.Go === undefined) throw new TypeError("Go's support file defines no Go");
  const go = new scope.Go();
  go.env = { GOMEMLIMIT: String(Math.floor(setup.maxMemoryBytes * COLLECT_AT)) };
  go.exit = () => {};
  const bytes = gunzipSync(readFileSync(new URL(setup.module)));
  const { instance } = await WebAssembly.instantiate(
    limitWasmMemory(bytes, setup.maxMemoryBytes),
    go.importObject,
  );
  // It stays until something ends it; its `main` has run when this returns.
  go.run(instance).then(() => end(), end);
  if (scope.evaluatePolicies === undefined) return end();
  serve(port, files, scope.evaluatePolicies, send, end);
  send({ type: "ready" });
}

function serve(
  port: MessagePort,
  files: PolicyFiles,
  evaluate: NonNullable<EvaluatorGlobals["evaluatePolicies"]>,
  send: (answer: EvaluatorAnswer) => void,
  end: (error: unknown) => void,
): void {
  port.on("message", ({ statement, policies }: EvaluatorQuestion) => {
    files.serve(new Map(policies.map(({ path, text }) => [path, text])));
    const pathsOf = (kind: string) =>
      policies.filter((policy) => policy.kind === kind).map(({ path }) => path);
    const request = JSON.stringify({ cue: pathsOf("cue"), rego: pathsOf("rego") });
    try {
      evaluate(statement, request, (failures) =>
        send({ type: "answer", failures: JSON.parse(failures) }),
      );
    } catch (error) {
      end(error); // Go's stack is ours: what is nested too deep ends it
    }
  });
}

function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0] || "it ended without a word";
}
