import type { Budgets } from "../io/budget.ts";
import type { Environment } from "../io/env.ts";
import type { HttpClient, HttpRequest, TlsOptions } from "../io/http.ts";
import type { Shared } from "../io/shared.ts";
import type { CloudLogin } from "../plugin_host/registry_login.ts";
import type { Reply } from "./reply.ts";
import type { RegistryOptions, RequestMeter } from "./session.ts";

/** One thing that is asked of a registry. */
export interface Question {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** `/v2/…`, or a URL that the registry itself has given. */
  readonly path: string;
  /** What the answer is for, as it stands in a message behind "Cannot": `read manifest "…"`. */
  readonly what: string;
  /** The scope of the token that is needed, if one is: `repository:NAME:pull`. */
  readonly scope: string;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes, or what makes the stream of them, anew for each request (then `content-length` is among the headers). */
  readonly body?: HttpRequest["body"];
  /** Statuses that are answers; all others are thrown as errors. */
  readonly expect: readonly number[];
  /** Of the answer's body. */
  readonly limitBytes: number;
  /** The budget that the request is of; by the method when absent. */
  readonly budget?: "referrers";
  /** The body of an answer that was expected is not read: `Reply.open` is it. Default false. */
  readonly leaveOpen?: boolean;
  /** False where sending it again after a broken connection would not be the same. Default true. */
  readonly replayable?: boolean;
  /** Whether an answer that is none of `expect` may pass by itself, beside 429 and 5xx. */
  readonly mayPass?: (reply: Reply) => boolean;
  readonly signal?: AbortSignal | undefined;
  readonly meter?: RequestMeter | undefined;
}

/** What all registries of a run are spoken to with. */
export interface HostServices {
  readonly shared: Shared;
  readonly budgets: Budgets;
  readonly env: Environment;
  /** Asked where the options want it. Absent: there are no clouds. */
  readonly cloudLogin?: CloudLogin;
  readonly http: HttpClient;
}

/** Certificates for the registry itself, or for another host that it sent us to: that gets none of ours. */
export function tlsOptions(options: RegistryOptions, isHome: boolean): TlsOptions {
  const { caPem, clientCertificatePem, clientKeyPem, serverName, allowInsecure } = options;
  return {
    ...(caPem === undefined ? {} : { caPem }),
    ...(isHome && clientCertificatePem !== undefined
      ? { certificatePem: clientCertificatePem }
      : {}),
    ...(isHome && clientKeyPem !== undefined ? { keyPem: clientKeyPem } : {}),
    ...(isHome && serverName !== undefined ? { serverName } : {}),
    ...(allowInsecure ? { insecure: true } : {}),
  };
}
