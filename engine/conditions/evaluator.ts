import { Worker } from "node:worker_threads";
import { CosignError, describeError } from "../model/errors.ts";
import type { EvaluatorAnswer, EvaluatorQuestion, EvaluatorSetup } from "./messages.ts";
import type { PolicyModule } from "./module.ts";
import type { PolicyFailure } from "./policy.ts";

/** Loading takes a second; a busy machine may need longer, a hanging one is not waited for. */
const START_TIMEOUT_MS = 120_000;

/** What an evaluation may take. */
export interface EvaluationLimits {
  readonly timeoutMs: number;
  /** Of CUE and OPA with all that they keep: the module itself needs some 40 MB of it. */
  readonly maxMemoryBytes: number;
}

interface Waiting {
  readonly resolve: (answer: EvaluatorAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One thread with CUE and OPA in it. It is started by the first question and ended, with everything in
 * it, by whatever goes past a limit; the next question then starts another. Asks one thing at a time.
 */
export class Evaluator {
  readonly #program: URL;
  readonly #setup: EvaluatorSetup;
  readonly #timeoutMs: number;
  #worker: Worker | undefined;
  #waiting: Waiting | undefined;

  /** @param program The file that the thread runs: the program itself. */
  constructor(program: URL, { module, support }: PolicyModule, limits: EvaluationLimits) {
    const { timeoutMs, maxMemoryBytes } = limits;
    this.#program = program;
    this.#timeoutMs = timeoutMs;
    this.#setup = { role: "policies", module: module.href, support: support.href, maxMemoryBytes };
  }

  /**
   * Judges a statement.
   *
   * @throws {CosignError} `LIMIT_EXCEEDED` when it takes too long or too much memory, `POLICY_FAULT`
   * when CUE or OPA fell over, `CANCELLED`.
   */
  async ask(question: EvaluatorQuestion, signal?: AbortSignal): Promise<readonly PolicyFailure[]> {
    if (this.#worker === undefined) await this.#start(signal);
    const answer = await this.#wait(this.#timeoutMs, signal, () =>
      this.#worker?.postMessage(question),
    );
    if (answer.type === "answer") return answer.failures;
    throw faultOf(answer, this.#setup);
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  async #start(signal: AbortSignal | undefined): Promise<void> {
    const answer = await this.#wait(START_TIMEOUT_MS, signal, () => {
      const worker = new Worker(this.#program, { workerData: this.#setup, env: {} });
      this.#worker = worker;
      worker.on("message", (said: EvaluatorAnswer) => {
        if (this.#worker === worker) this.#waiting?.resolve(said);
      });
      const lost = (detail: string): void => {
        if (this.#worker === worker) this.#waiting?.reject(fault(detail));
      };
      worker.on("error", (error) => lost(describeError(error)));
      worker.on("exit", () => lost("its thread ended"));
    });
    if (answer.type !== "ready") throw faultOf(answer, this.#setup);
  }

  /** Waits for one answer; whatever else happens costs the thread its life. */
  async #wait(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    act: () => void,
  ): Promise<EvaluatorAnswer> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let onAbort = (): void => {};
    try {
      const answer = await new Promise<EvaluatorAnswer>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        onAbort = () => reject(new CosignError("CANCELLED", "Cannot evaluate policies: cancelled"));
        timer = setTimeout(() => reject(tooLong(timeoutMs)), timeoutMs);
        signal?.addEventListener("abort", onAbort, { once: true });
        if (signal?.aborted) onAbort();
        else act();
      });
      if (answer.type === "ended") await this.close();
      return answer;
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      this.#waiting = undefined;
    }
  }
}

function tooLong(timeoutMs: number): CosignError {
  return new CosignError(
    "LIMIT_EXCEEDED",
    `Cannot evaluate policies: no answer within ${timeoutMs} ms`,
    { hint: "Look for rules that try out too many combinations" },
  );
}

function faultOf(answer: EvaluatorAnswer, { maxMemoryBytes }: EvaluatorSetup): CosignError {
  if (answer.type !== "ended") return fault("it answered what was not asked");
  if (!answer.isOutOfMemory) return fault(answer.detail);
  return new CosignError(
    "LIMIT_EXCEEDED",
    `Cannot evaluate policies: they need more than ${maxMemoryBytes} bytes of memory`,
  );
}

function fault(detail: string): CosignError {
  return new CosignError(
    "POLICY_FAULT",
    `Cannot evaluate policies: the evaluator fell over: ${detail}`,
  );
}
