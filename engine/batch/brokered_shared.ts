import type { Answer, Shared, Turn } from "../io/shared.ts";
import type { KeyHost, RunKey } from "../keys/key_ring.ts";
import { errorFromReport, reportError } from "../model/errors.ts";
import { Recent } from "./_recent.ts";
import type { FromWorker, Question, Reply, ToWorker } from "./messages.ts";

/** Answers of services that a worker keeps, so that it need not ask for each request. */
const KEPT_ANSWERS = 256;

interface Kept {
  readonly value: unknown;
  readonly untilMs: number;
}

/** A worker's side of what the threads of a run share: it asks the main thread. */
export class BrokeredShared implements Shared, KeyHost {
  readonly #send: (message: FromWorker) => void;
  readonly #nowMs: () => number;
  readonly #asked: Map<number, (reply: Reply) => void> = new Map();
  readonly #kept: Recent<Kept> = new Recent(KEPT_ANSWERS);
  #lastId = 0;

  /** @param send Sends to the main thread. */
  constructor(send: (message: FromWorker) => void, nowMs: () => number = Date.now) {
    this.#send = send;
    this.#nowMs = nowMs;
  }

  /** Takes a message of the main thread; what is not about something shared is passed over. */
  receive(message: ToWorker): void {
    if (message.type === "forgotten") this.#kept.delete(message.key);
    if (message.type !== "reply") return;
    const { id, reply } = message;
    const take = this.#asked.get(id);
    this.#asked.delete(id);
    if (take !== undefined) take(reply);
    else if (reply.reply === "granted") this.#send({ type: "release", id });
    // A lead that nobody takes any more was rejected by its withdrawal.
  }

  async once<T>(key: string, compute: () => Promise<Answer<T>>, signal?: AbortSignal): Promise<T> {
    const kept = this.#kept.get(key);
    // What was computed for a key is of its type: the keys' owners see to it.
    if (kept !== undefined && kept.untilMs > this.#nowMs()) return kept.value as T;
    const { id, reply } = await this.#ask({ ask: "once", key }, signal);
    if (reply.reply === "value") {
      this.#keep(key, reply.value, reply.keepUntilMs);
      return reply.value as T;
    }
    let answer: Answer<T>;
    try {
      answer = await compute();
    } catch (error) {
      // Its time was over, not everybody's: the next who waits computes.
      const report =
        signal?.aborted === true
          ? ({ code: "CANCELLED", message: "The job that worked on it was interrupted" } as const)
          : reportError(error);
      this.#send({ type: "settle", id, settlement: { error: report } });
      throw error;
    }
    this.#send({ type: "settle", id, settlement: answer });
    this.#keep(key, answer.value, answer.expiresAtMs ?? Number.POSITIVE_INFINITY);
    return answer.value;
  }

  forget(key: string, value: unknown): void {
    this.#kept.delete(key);
    this.#send({ type: "forget", key, value });
  }

  async turn(name: string, signal?: AbortSignal): Promise<Turn> {
    const { id } = await this.#ask({ ask: "turn", name }, signal);
    let isOver = false;
    return {
      release: () => {
        if (!isOver) this.#send({ type: "release", id });
        isOver = true;
      },
    };
  }

  /** A signature by a key that the main thread holds. @throws {CosignError} as the key does. */
  async sign(uri: string, message: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const { reply } = await this.#ask({ ask: "sign", uri, message }, signal);
    if (reply.reply !== "signature") throw new TypeError(`Expected a signature: ${reply.reply}`);
    return reply.signature;
  }

  /** A key and its certificate, which the main thread has got. @throws {CosignError} as a lease does. */
  async lease(uri: string, ended?: Uint8Array, signal?: AbortSignal): Promise<RunKey> {
    const question = { ask: "lease", uri, ...(ended === undefined ? {} : { ended }) } as const;
    const { reply } = await this.#ask(question, signal);
    if (reply.reply !== "leased") throw new TypeError(`Expected a lease: ${reply.reply}`);
    return reply.key;
  }

  #keep(key: string, value: unknown, untilMs: number): void {
    if (untilMs > this.#nowMs()) this.#kept.set(key, { value, untilMs });
  }

  #ask(question: Question, signal?: AbortSignal): Promise<{ id: number; reply: Reply }> {
    signal?.throwIfAborted();
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const withdraw = () => {
        this.#asked.delete(id);
        this.#send({ type: "withdraw", id });
        reject(signal?.reason);
      };
      this.#asked.set(id, (reply) => {
        signal?.removeEventListener("abort", withdraw);
        if (reply.reply === "error") reject(errorFromReport(reply.error));
        else resolve({ id, reply });
      });
      signal?.addEventListener("abort", withdraw, { once: true });
      this.#send({ type: "ask", id, question });
    });
  }
}
