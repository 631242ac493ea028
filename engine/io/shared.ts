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
