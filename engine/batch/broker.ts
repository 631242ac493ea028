import type { Answer, Shared, Turn } from "../io/shared.ts";
import type { KeyHost } from "../keys/key_ring.ts";
import {
  type CosignError,
  type ErrorReport,
  errorFromReport,
  reportError,
} from "../model/errors.ts";
import { Recent } from "./_recent.ts";
import type { FromWorker, Question, Reply, Settlement, ToWorker } from "./messages.ts";

/** Answers whose expiry is remembered: those of services, many times over. */
const REMEMBERED_ANSWERS = 1024;

/**
 * The main thread's side of what the threads of a run share. Every worker has a connection; the
 * main thread itself asks through `shared`, so that it and the workers have the same answers.
 */
export class Broker {
  /** For the main thread's own use. */
  readonly shared: Shared;
  readonly #inner: Shared;
  readonly #keyHost: KeyHost;
  readonly #connections: Set<Connection> = new Set();
  /** Until when an answer may be kept by those who got it; what is not here is not kept. */
  readonly #keepUntilMs: Recent<number> = new Recent(REMEMBERED_ANSWERS);

  constructor(inner: Shared, keyHost: KeyHost) {
    this.#inner = inner;
    this.#keyHost = keyHost;
    this.shared = {
      once: (key, compute, signal) => this.#once(key, compute, signal),
      forget: (key, value) => this.#forget(key, value),
      turn: (name, signal) => this.#inner.turn(name, signal),
    };
  }

  /** Takes a worker's questions. @param send Sends to that worker. */
  connect(send: (message: ToWorker) => void): Connection {
    const connection: Connection = new Connection(send, {
      once: async (key, compute, signal) => {
        const value = await this.#once(key, compute, signal);
        return { value, keepUntilMs: this.#keepUntilMs.get(key) ?? 0 };
      },
      forget: (key, value) => this.#forget(key, value),
      turn: (name, signal) => this.#inner.turn(name, signal),
      keyHost: this.#keyHost,
      closed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    return connection;
  }

  #once<T>(key: string, compute: () => Promise<Answer<T>>, signal?: AbortSignal): Promise<T> {
    const noted = async () => {
      const answer = await compute();
      this.#keepUntilMs.set(key, answer.expiresAtMs ?? Number.POSITIVE_INFINITY);
      return answer;
    };
    return this.#inner.once(key, noted, signal);
  }

  #forget(key: string, value: unknown): void {
    this.#keepUntilMs.delete(key);
    this.#inner.forget(key, value);
    for (const connection of this.#connections) connection.forgotten(key);
  }
}

interface Services {
  readonly once: (
    key: string,
    compute: () => Promise<Answer<unknown>>,
    signal: AbortSignal,
  ) => Promise<{ readonly value: unknown; readonly keepUntilMs: number }>;
  readonly forget: (key: string, value: unknown) => void;
  readonly turn: (name: string, signal: AbortSignal) => Promise<Turn>;
  readonly keyHost: KeyHost;
  readonly closed: () => void;
}

interface Lead {
  readonly resolve: (answer: Answer<unknown>) => void;
  readonly reject: (error: CosignError) => void;
}

/** One worker's questions in the main thread. When the worker is gone, `close` gives back what it held. */
export class Connection {
  readonly #send: (message: ToWorker) => void;
  readonly #services: Services;
  readonly #waiting: Map<number, AbortController> = new Map();
  readonly #leads: Map<number, Lead> = new Map();
  readonly #turns: Map<number, Turn> = new Map();
  #isClosed = false;

  constructor(send: (message: ToWorker) => void, services: Services) {
    this.#send = send;
    this.#services = services;
  }

  /** Takes a message that is about something shared; others are passed over. */
  receive(message: FromWorker): void {
    if (message.type === "ask") this.#ask(message.id, message.question);
    else if (message.type === "settle") this.#settle(message.id, message.settlement);
    else if (message.type === "release") this.#release(message.id);
    else if (message.type === "withdraw") this.#withdraw(message.id);
    else if (message.type === "forget") this.#services.forget(message.key, message.value);
  }

  /** Tells the worker that an answer is no good. */
  forgotten(key: string): void {
    this.#send({ type: "forgotten", key });
  }

  /** The worker is gone: its turns end, and what it was computing is left to the next who waits. */
  close(): void {
    this.#isClosed = true;
    for (const id of [...this.#waiting.keys()]) this.#withdraw(id);
    for (const id of [...this.#turns.keys()]) this.#release(id);
    this.#services.closed();
  }

  #ask(id: number, question: Question): void {
    const controller = new AbortController();
    this.#waiting.set(id, controller);
    this.#answer(id, question, controller.signal)
      .catch((error): Reply => ({ reply: "error", error: reportError(error) }))
      .then((reply) => {
        // Nobody waits any more, or the worker computed it itself.
        if (!this.#waiting.delete(id) || reply === undefined) return;
        this.#send({ type: "reply", id, reply });
      });
  }

  async #answer(id: number, question: Question, signal: AbortSignal): Promise<Reply | undefined> {
    if (question.ask === "sign") {
      const { uri, message } = question;
      const signature = await this.#services.keyHost.sign(uri, message, signal);
      return { reply: "signature", signature };
    }
    if (question.ask === "lease") {
      const { uri, ended } = question;
      return { reply: "leased", key: await this.#services.keyHost.lease(uri, ended, signal) };
    }
    if (question.ask === "turn") {
      const turn = await this.#services.turn(question.name, signal);
      if (this.#isClosed || signal.aborted) {
        turn.release();
        return undefined;
      }
      this.#turns.set(id, turn);
      return { reply: "granted" };
    }
    let isLed = false;
    const lead = () => {
      isLed = true;
      return new Promise<Answer<unknown>>((resolve, reject) => {
        if (this.#isClosed || signal.aborted) return reject(cancelled());
        this.#leads.set(id, { resolve, reject });
        this.#send({ type: "reply", id, reply: { reply: "lead" } });
      });
    };
    try {
      const answer = await this.#services.once(question.key, lead, signal);
      return isLed ? undefined : { reply: "value", ...answer };
    } catch (error) {
      if (isLed) return undefined;
      throw error;
    }
  }

  #settle(id: number, settlement: Settlement): void {
    const lead = this.#leads.get(id);
    this.#leads.delete(id);
    if (lead === undefined) return;
    if ("error" in settlement) lead.reject(errorFromReport(settlement.error));
    else lead.resolve(settlement);
  }

  #release(id: number): void {
    this.#turns.get(id)?.release();
    this.#turns.delete(id);
  }

  #withdraw(id: number): void {
    this.#leads.get(id)?.reject(cancelled());
    this.#leads.delete(id);
    const controller = this.#waiting.get(id);
    this.#waiting.delete(id);
    controller?.abort(cancelled());
  }
}

const GONE: ErrorReport = {
  code: "CANCELLED",
  message: "The thread that worked on it no longer does",
};

function cancelled(): CosignError {
  return errorFromReport(GONE);
}
