import { isObject } from "../../formats/go_json.ts";
import { parseStrictJson } from "../../formats/strict_json.ts";
import { isLoopbackHost } from "../../io/addresses.ts";
import { redactUrl } from "../../io/http.ts";
import { parseUtf8 } from "../../model/bytes.ts";
import { CosignError } from "../../model/errors.ts";
import {
  callService,
  describeReply,
  protocolError,
  type ServiceCall,
  type ServiceContext,
  type ServiceReply,
} from "../service.ts";

/** One thing that is asked of an issuer or a provider of tokens. */
export type IdentityCall = Omit<ServiceCall, "service" | "limitBytes">;

const MAX_ANSWER_BYTES = 262_144; // tokens, metadata and key sets: the largest known have 20 KB
const TIMEOUT_MS = 60_000;

/**
 * Asks an issuer or a provider. The whole answer must be there in time: one that comes byte by byte is
 * given up.
 *
 * @throws {CosignError} as {@link callService}.
 */
export async function ask(call: IdentityCall, context: ServiceContext): Promise<ServiceReply> {
  const { timeoutMs = TIMEOUT_MS, signal } = context;
  const ending = new AbortController();
  const timer = setTimeout(() => {
    const why = `Cannot ${call.what} from "${redactUrl(call.url)}": the answer does not end`;
    ending.abort(new CosignError("SERVICE_UNAVAILABLE", why));
  }, 2 * timeoutMs);
  try {
    return await callService(
      { ...call, service: "oidc", limitBytes: MAX_ANSWER_BYTES },
      {
        ...context,
        timeoutMs,
        signal: signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]),
      },
    );
  } finally {
    clearTimeout(timer);
  }
}

/** Refuses a URL that tokens or secrets would travel to in the open. @throws {CosignError} `USAGE`. */
export function refuseOpenUrl(text: string, what: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "https:") return;
  if (url?.protocol === "http:" && isLoopbackHost(url.hostname)) return;
  throw new CosignError("USAGE", `Cannot use ${what} "${redactUrl(text)}": it is no https URL`, {
    hint: "Only on this machine http will do",
  });
}

/**
 * The text that an answer has under a name, at its top level.
 *
 * @throws {CosignError} `IDENTITY_UNAVAILABLE` with `hint` for a refusal, `SERVICE_PROTOCOL` for an answer that is none.
 */
export function answeredText(
  reply: ServiceReply,
  call: IdentityCall,
  name: string,
  hint: string,
): string {
  if (reply.status < 200 || reply.status > 299) throw refused(reply, call, hint);
  let answer: unknown;
  try {
    answer = parseStrictJson(parseUtf8(reply.body));
  } catch {
    throw protocolError(call, "its answer is no JSON"); // a cause would quote the token
  }
  const value = isObject(answer) ? answer[name] : undefined;
  if (typeof value === "string" && value !== "") return value;
  throw protocolError(call, `its answer has no "${name}"`);
}

/** The error for a provider that gives no token. */
export function refused(
  reply: ServiceReply,
  { what, url }: IdentityCall,
  hint: string,
): CosignError {
  return new CosignError(
    "IDENTITY_UNAVAILABLE",
    `Cannot ${what} from "${redactUrl(url)}": it answers ${describeReply(reply)}`,
    { hint },
  );
}
