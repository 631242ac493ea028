import type { Storage } from "./storage.ts";

/** One request, as the handlers see it. Everything in it is attacker-controlled. */
export interface Call {
  readonly method: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
}

/** What the handlers work on. */
export interface Service {
  readonly storage: Storage;
  /** Whether the referrers API is there. */
  readonly referrers: boolean;
  /** The most entries of one page of any listing. */
  readonly pageSize: number;
}
