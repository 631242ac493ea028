import type { RunKey } from "../keys/key_ring.ts";
import type { ErrorReport } from "../model/errors.ts";
import type { Job } from "../model/job.ts";
import type { Verdict } from "../model/verdict.ts";
import type { PROTOCOL } from "./run_setup.ts";

/** What only the main thread knows or may decide. Each is answered by an {@link Reply} of the same id. */
export type Question =
  | { readonly ask: "once"; readonly key: string }
  | { readonly ask: "turn"; readonly name: string }
  | { readonly ask: "sign"; readonly uri: string; readonly message: Uint8Array }
  | { readonly ask: "lease"; readonly uri: string; readonly ended?: Uint8Array };

/** The answer to a {@link Question}. Errors cross as data: a thread drops their class and code. */
export type Reply =
  /** `once`: the answer, and until when the asking thread may keep it; 0 for not at all. */
  | { readonly reply: "value"; readonly value: unknown; readonly keepUntilMs: number }
  /** `once`: nobody has computed it, so the asking thread does, and says so by `settle`. */
  | { readonly reply: "lead" }
  /** `turn`: it is the asking thread's; it ends with `release`. */
  | { readonly reply: "granted" }
  | { readonly reply: "signature"; readonly signature: Uint8Array }
  | { readonly reply: "leased"; readonly key: RunKey }
  | { readonly reply: "error"; readonly error: ErrorReport };

/** How a computation that the main thread left to a worker ended. */
export type Settlement =
  | { readonly value: unknown; readonly expiresAtMs?: number }
  | { readonly error: ErrorReport };

/** From the main thread to a worker. */
export type ToWorker =
  /** What the run knows before its first job (`RunSetup`): the answer to `hello`. */
  | { readonly type: "setup"; readonly setup: unknown }
  | { readonly type: "run"; readonly job: Job }
  /** The run ends now: what is in flight is given up, for this reason. */
  | { readonly type: "abort"; readonly reason: ErrorReport }
  | { readonly type: "reply"; readonly id: number; readonly reply: Reply }
  /** Somebody found that an answer is no good. */
  | { readonly type: "forgotten"; readonly key: string };

/** From a worker to the main thread. The worker speaks first: it may miss what is sent before `hello`. */
export type FromWorker =
  | { readonly type: "hello" }
  | { readonly type: "ready"; readonly protocol: typeof PROTOCOL }
  | { readonly type: "done"; readonly verdict: Verdict }
  | { readonly type: "ask"; readonly id: number; readonly question: Question }
  /** The asking job no longer waits. */
  | { readonly type: "withdraw"; readonly id: number }
  | { readonly type: "settle"; readonly id: number; readonly settlement: Settlement }
  | { readonly type: "release"; readonly id: number }
  | { readonly type: "forget"; readonly key: string; readonly value: unknown };

/** A worker as the main thread has it, or the main thread as a worker has it. */
export interface Port {
  postMessage(value: unknown): void;
}

/** Sends messages of one turn of the event loop together: a message costs more than what is in it. */
export class Outbox<Message> {
  readonly #port: Port;
  #waiting: Message[] = [];

  /** @param port A worker, or the port to the main thread. */
  constructor(port: Port) {
    this.#port = port;
  }

  /** Sends a message soon. Messages arrive in the order they were sent. */
  send(message: Message): void {
    this.#waiting.push(message);
    if (this.#waiting.length === 1) setImmediate(() => this.flush());
  }

  /** Sends what waits now. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const messages = this.#waiting;
    this.#waiting = [];
    this.#port.postMessage(messages);
  }
}
