import type { HttpResponse } from "../io/http.ts";
import { parseUtf8 } from "../model/bytes.ts";
import { CosignError, type ErrorCode } from "../model/errors.ts";

/** A registry's whole answer. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** Of errors at most {@link MAX_ERROR_BYTES}, else nothing. */
  readonly body: Uint8Array;
  /** The body still on its way, where the question asked for it so: whoever has it reads or discards it. */
  readonly open?: HttpResponse;
  /** Where it came from, after redirects. */
  readonly url: string;
}

/** An error's body has a few hundred bytes; it is read for its text only. */
export const MAX_ERROR_BYTES: number = 64 * 1024;
const MAX_TEXT_LENGTH = 300;

const LOGIN_HINT =
  "Log in with docker login or podman login, or give --registry-username and --registry-password";

const CODES: ReadonlyMap<number, { readonly code: ErrorCode; readonly text: string }> = new Map([
  [401, { code: "REGISTRY_AUTH", text: "not authenticated" }],
  [403, { code: "REGISTRY_DENIED", text: "access denied" }],
  [412, { code: "REGISTRY_CONFLICT", text: "somebody else has written meanwhile" }],
  [429, { code: "REGISTRY_RATE_LIMITED", text: "too many requests" }],
]);

/** The error for a status that was not asked for, with the registry's own words. */
export function replyError(reply: Reply, what: string): CosignError {
  const { status } = reply;
  const known = CODES.get(status);
  const code = known?.code ?? (status >= 500 ? "REGISTRY_UNAVAILABLE" : "REGISTRY_PROTOCOL");
  const said = registryErrors(reply)
    .map(({ code: name, message }) => [name, message].filter((part) => part !== "").join(": "))
    .join("; ");
  const text = known === undefined ? `status ${status}` : `${known.text} (status ${status})`;
  return new CosignError(
    code,
    `Cannot ${what}: ${text}${said === "" ? "" : `: ${plainText(said)}`}`,
    status === 401 ? { hint: LOGIN_HINT } : {},
  );
}

/** The `errors` of an answer (OCI distribution-spec, "Error Codes"); none when it has another form. */
export function registryErrors(
  reply: Reply,
): readonly { readonly code: string; readonly message: string }[] {
  try {
    const root: unknown = JSON.parse(parseUtf8(reply.body));
    if (typeof root !== "object" || root === null || !("errors" in root)) return [];
    if (!Array.isArray(root.errors)) return [];
    return root.errors.slice(0, 5).flatMap((entry: unknown) => {
      if (typeof entry !== "object" || entry === null) return [];
      const text = (name: string): string => {
        const value: unknown = Reflect.get(entry, name);
        return typeof value === "string" ? value : "";
      };
      return [{ code: text("code"), message: text("message") }];
    });
  } catch {
    return []; // an HTML page of a proxy, a text, nothing
  }
}

/** Foreign text as it may stand in a message: one line, no control characters, limited. */
export function plainText(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ").trim();
  return line.length > MAX_TEXT_LENGTH ? `${line.slice(0, MAX_TEXT_LENGTH)}…` : line;
}

/** A refusal of something that a registry sent: the error code is the registry's fault. */
export function protocolError(what: string, why: string, cause?: unknown): CosignError {
  return new CosignError(
    "REGISTRY_PROTOCOL",
    `Cannot ${what}: ${why}`,
    cause === undefined ? {} : { cause },
  );
}
