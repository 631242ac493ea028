import pLimit from "p-limit";
import type { TrustedRoot } from "../formats/trusted_root.ts";
import type { Budgets } from "../io/budget.ts";
import type { HttpClient, TlsOptions } from "../io/http.ts";
import type { VouchContext, Vouchers } from "./vouch.ts";

/** How the signatures of a run are vouched for. */
export interface VouchSetup {
  /** Who does, where a job does not name others. */
  readonly vouchers: Vouchers;
  /** How timestamp authorities are spoken to. */
  readonly timestampTls?: TlsOptions;
  /** Takes what services answer that the trusted root does not know. */
  readonly takesUnknownUnsafe: boolean;
}

/** A setup in one thread. */
export interface Vouching extends VouchContext {
  readonly vouchers: Vouchers;
}

/** What services are asked with. */
export interface VouchWorld {
  readonly http: HttpClient;
  readonly budgets: Budgets;
  readonly userAgent: string;
  /** Threads that ask at once. */
  readonly threads: number;
}

/** Signatures that are vouched for at once, over all threads: as many as a log is asked at once. */
const AT_ONCE = 32;

/** Makes ready for what vouches for signatures. Nothing is asked before something is signed. */
export function openVouching(
  { vouchers, timestampTls: tls, takesUnknownUnsafe }: VouchSetup,
  trustedRoot: TrustedRoot,
  { http, budgets, userAgent, threads }: VouchWorld,
): Vouching {
  const logs = { http, budgets, userAgent };
  return {
    vouchers,
    trustedRoot,
    takesUnknownUnsafe,
    logs,
    timestamps:
      tls === undefined ? logs : { ...logs, http: (request) => http({ ...request, tls }) },
    place: pLimit(Math.ceil(AT_ONCE / threads)),
  };
}
