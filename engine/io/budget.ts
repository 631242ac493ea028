import { abortReason, pause } from "./wait.ts";

/** Requests in flight of one process, over all services: Bun starts no more than 256 and lets one host starve the others there. */
export const MAX_IN_FLIGHT = 192;
/** Services that can have counters of their own; further ones share. Far above what one run speaks to. */
const SLOTS = 64;
const FIELDS = 5;
const HEADER_BYTES = 8;
const [HASH, ALLOWED, SUCCESSES, PAUSED_UNTIL, CUT_AT] = [0, 1, 2, 3, 4];
/** Answers of one burst arrive together: they halve the concurrency once, not each. */
const CUT_INTERVAL_MS = 1000;

/** The counters of all services, for all threads of a run. */
export function createBudgetMemory(nowMs: number = Date.now()): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(HEADER_BYTES + SLOTS * FIELDS * 4);
  new Float64Array(memory, 0, 1)[0] = nowMs;
  return memory;
}

/** What a task tells its budget. */
export interface Gate {
  /** The service asked for fewer requests: all threads halve theirs, and pause when it said how long. */
  throttled(retryAfterMs?: number): void;
}

interface Waiter {
  readonly service: Service;
  readonly start: () => void;
}

interface Service {
  readonly slot: number;
  readonly limit: number;
  active: number;
}

/** What {@link Budgets} gets from tests. */
export interface BudgetClock {
  readonly now: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/**
 * Limits the requests in flight per service, over all threads: the allowed number and the pauses
 * are shared, each thread takes its part of the number. A service that answers 429 gets half, and
 * one more for every round of requests that it answers.
 */
export class Budgets {
  readonly #counters: Int32Array;
  readonly #baseMs: number;
  readonly #threads: number;
  readonly #clock: BudgetClock;
  readonly #services: Map<string, Service> = new Map();
  readonly #waiters: Set<Waiter> = new Set();
  #active = 0;

  /** @param memory From {@link createBudgetMemory}, the same for all threads. */
  constructor(
    memory: SharedArrayBuffer,
    threads: number,
    clock: BudgetClock = { now: Date.now, sleep: pause },
  ) {
    this.#baseMs = new Float64Array(memory, 0, 1)[0] ?? 0;
    this.#counters = new Int32Array(memory, HEADER_BYTES);
    this.#threads = Math.max(1, threads);
    this.#clock = clock;
  }

  /**
   * Runs `task` when the service may have one more request in flight. A task must not wait for
   * another task of any budget.
   *
   * @param service Named like `registry-read:HOST`.
   * @param limit Requests in flight to the service over all threads, at best.
   */
  async run<T>(
    service: string,
    limit: number,
    task: (gate: Gate) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const entry = this.#service(service, limit);
    await this.#enter(entry, signal);
    let throttled = false;
    try {
      const result = await task({
        throttled: (retryAfterMs) => {
          throttled = true;
          this.#throttle(entry, retryAfterMs);
        },
      });
      if (!throttled) this.#succeed(entry);
      return result;
    } finally {
      this.#leave(entry);
    }
  }

  async #enter(entry: Service, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      if (signal?.aborted) throw abortReason(signal, "Cannot send a request");
      if (this.#mayStart(entry)) this.#take(entry);
      else await this.#wait(entry, signal);
      const pausedMs = this.#load(entry, PAUSED_UNTIL) - this.#elapsedMs();
      if (pausedMs <= 0) return;
      this.#leave(entry);
      await this.#clock.sleep(pausedMs, signal);
    }
  }

  #wait(entry: Service, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.delete(waiter);
        if (signal !== undefined) reject(abortReason(signal, "Cannot send a request"));
      };
      const waiter: Waiter = {
        service: entry,
        start: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  #mayStart(entry: Service): boolean {
    if (this.#active >= Math.max(1, Math.floor(MAX_IN_FLIGHT / this.#threads))) return false;
    const allowed = Math.min(entry.limit, this.#load(entry, ALLOWED));
    return entry.active < Math.max(1, Math.ceil(allowed / this.#threads));
  }

  #take(entry: Service): void {
    entry.active++;
    this.#active++;
  }

  #leave(entry: Service): void {
    entry.active--;
    this.#active--;
    for (const waiter of this.#waiters) {
      if (!this.#mayStart(waiter.service)) continue;
      this.#waiters.delete(waiter);
      this.#take(waiter.service);
      waiter.start();
    }
  }

  #succeed(entry: Service): void {
    const allowed = this.#load(entry, ALLOWED);
    if (allowed >= entry.limit) return;
    if (Atomics.add(this.#counters, entry.slot + SUCCESSES, 1) + 1 < allowed) return;
    Atomics.store(this.#counters, entry.slot + SUCCESSES, 0);
    Atomics.compareExchange(this.#counters, entry.slot + ALLOWED, allowed, allowed + 1);
  }

  #throttle(entry: Service, retryAfterMs: number | undefined): void {
    const nowMs = this.#elapsedMs();
    if (retryAfterMs !== undefined) {
      const index = entry.slot + PAUSED_UNTIL;
      const untilMs = Math.ceil(nowMs + retryAfterMs);
      for (;;) {
        const before = Atomics.load(this.#counters, index);
        if (before >= untilMs) break;
        if (Atomics.compareExchange(this.#counters, index, before, untilMs) === before) break;
      }
    }
    const cutAtMs = this.#load(entry, CUT_AT);
    if (cutAtMs !== 0 && nowMs - cutAtMs < CUT_INTERVAL_MS) return;
    const stamp = Math.max(1, Math.floor(nowMs));
    if (Atomics.compareExchange(this.#counters, entry.slot + CUT_AT, cutAtMs, stamp) !== cutAtMs) {
      return;
    }
    const allowed = this.#load(entry, ALLOWED);
    Atomics.store(this.#counters, entry.slot + ALLOWED, Math.max(1, Math.floor(allowed / 2)));
    Atomics.store(this.#counters, entry.slot + SUCCESSES, 0);
  }

  #load(entry: Service, field: number): number {
    return Atomics.load(this.#counters, entry.slot + field);
  }

  /** Milliseconds since the memory was made: they fit 32 bits for 24 days. */
  #elapsedMs(): number {
    return this.#clock.now() - this.#baseMs;
  }

  #service(name: string, limit: number): Service {
    const known = this.#services.get(name);
    if (known !== undefined) return known;
    const slot = this.#claim(name);
    Atomics.compareExchange(this.#counters, slot + ALLOWED, 0, limit);
    const service: Service = { slot, limit, active: 0 };
    this.#services.set(name, service);
    return service;
  }

  /** Finds or takes the slot of a name by its hash; two names of one hash share their counters. */
  #claim(name: string): number {
    const hash = hashOf(name);
    const first = Math.abs(hash) % SLOTS;
    for (let step = 0; step < SLOTS; step++) {
      const slot = ((first + step) % SLOTS) * FIELDS;
      const holder = Atomics.compareExchange(this.#counters, slot + HASH, 0, hash);
      if (holder === 0 || holder === hash) return slot;
    }
    return first * FIELDS;
  }
}

/** FNV-1a in 32 bits, never 0. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash === 0 ? 1 : hash;
}
