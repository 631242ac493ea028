import { type ErrorCode, hasCode } from "../model/errors.ts";
import { unlessAborted } from "./wait.ts";

/**
 * What the threads of one run share: answers that are asked for once, and turns that only one may
 * have at a time. In one thread {@link LocalShared} is it; in workers a client of the main thread's.
 */
export interface Shared {
  /**
   * The answer for `key`, computed once for all threads: the first who asks computes, the others
   * wait for it. An answer is dropped when it expires. A failure of the computation is everybody's
   * failure, but for `CANCELLED`, `DEADLINE_EXCEEDED` and `REGISTRY_TIMEOUT`: then the next who
   * waits computes.
   *
   * @param compute Runs in the asking thread. Its value must be JSON.
   */
  once<T>(key: string, compute: () => Promise<Answer<T>>, signal?: AbortSignal): Promise<T>;
  /** Forgets an answer that turned out to be no good, unless somebody has replaced it: compared as JSON. */
  forget(key: string, value: unknown): void;
  /** Waits for the one turn that `name` stands for (`subject:registry/repository@sha256:…`). */
  turn(name: string, signal?: AbortSignal): Promise<Turn>;
}

/** An answer and how long it holds. */
export interface Answer<T> {
  readonly value: T;
  /** In milliseconds since the epoch; for the whole run when absent. 0: not kept at all, but those who wait now get it. */
  readonly expiresAtMs?: number;
}

/** Somebody's turn; it ends when it is released, once. */
export interface Turn {
  release(): void;
}

/** Failures of somebody's own: whoever else waits for the answer computes it himself. */
const PERSONAL: readonly ErrorCode[] = ["CANCELLED", "DEADLINE_EXCEEDED", "REGISTRY_TIMEOUT"];

/** Answers that are kept before the first look for expired ones. */
const LEAST_SWEEP_SIZE = 4096;

/** {@link Shared} within one thread. */
export class LocalShared implements Shared {
  readonly #now: () => number;
  readonly #kept: Map<string, Answer<unknown>> = new Map();
  readonly #running: Map<string, Promise<Answer<unknown>>> = new Map();
  readonly #turns: Map<string, Promise<void>> = new Map();
  #sweepAtSize = LEAST_SWEEP_SIZE;

  /** @param now Milliseconds since the epoch. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  async once<T>(key: string, compute: () => Promise<Answer<T>>, signal?: AbortSignal): Promise<T> {
    for (;;) {
      const kept = this.#kept.get(key);
      if (kept !== undefined && this.#now() < (kept.expiresAtMs ?? Number.POSITIVE_INFINITY)) {
        return kept.value as T; // the type belongs to the key
      }
      const running = this.#running.get(key);
      if (running === undefined) return (await this.#compute(key, compute)).value;
      try {
        return (await unlessAborted(running, signal)).value as T;
      } catch (error) {
        if (signal?.aborted || !hasCode(error, ...PERSONAL)) throw error;
      }
    }
  }

  forget(key: string, value: unknown): void {
    const kept = this.#kept.get(key);
    if (kept !== undefined && JSON.stringify(kept.value) === JSON.stringify(value)) {
      this.#kept.delete(key);
    }
  }

  async turn(name: string, signal?: AbortSignal): Promise<Turn> {
    const before = this.#turns.get(name);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const after = before === undefined ? ended : before.then(() => ended);
    this.#turns.set(name, after);
    after.then(() => {
      if (this.#turns.get(name) === after) this.#turns.delete(name);
    });
    try {
      await unlessAborted(before ?? Promise.resolve(), signal);
      return { release: end };
    } catch (error) {
      end(); // whoever comes next still waits for `before`
      throw error;
    }
  }

  async #compute<T>(key: string, compute: () => Promise<Answer<T>>): Promise<Answer<T>> {
    const running = Promise.resolve().then(compute);
    this.#running.set(key, running);
    try {
      const answer = await running;
      if (answer.expiresAtMs === undefined || answer.expiresAtMs > this.#now()) {
        this.#kept.set(key, answer);
        if (this.#kept.size >= this.#sweepAtSize) this.#sweep();
      } else this.#kept.delete(key);
      return answer;
    } finally {
      this.#running.delete(key);
    }
  }

  /** A run over millions of tags must not keep what has expired. */
  #sweep(): void {
    const nowMs = this.#now();
    for (const [key, { expiresAtMs }] of this.#kept) {
      if (expiresAtMs !== undefined && expiresAtMs <= nowMs) this.#kept.delete(key);
    }
    this.#sweepAtSize = Math.max(LEAST_SWEEP_SIZE, 2 * this.#kept.size);
  }
}
