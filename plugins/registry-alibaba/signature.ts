import { createHash, createHmac } from "node:crypto";

/** Keys of an account or of a role. */
export interface AlibabaKeys {
  readonly id: string;
  readonly secret: string;
  /** Of a role: shown beside the signature. */
  readonly securityToken?: string;
}

/** A request without a body. */
export interface AlibabaRequest {
  readonly method: "GET" | "POST";
  readonly host: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly action: string;
  readonly version: string;
}

const ALGORITHM = "ACS3-HMAC-SHA256";

/**
 * The headers of a signed request ("V3 request body and signature" of Alibaba Cloud's OpenAPI).
 *
 * @param date In whole seconds, UTC: `2026-01-02T03:04:05Z`.
 * @param nonce Never the same twice.
 */
export function signRequest(
  { method, host, path, query, action, version }: AlibabaRequest,
  keys: AlibabaKeys,
  date: string,
  nonce: string,
): Readonly<Record<string, string>> {
  const hashedBody = sha256("");
  const headers: Record<string, string> = {
    host,
    "x-acs-action": action,
    "x-acs-content-sha256": hashedBody,
    "x-acs-date": date,
    "x-acs-signature-nonce": nonce,
    "x-acs-version": version,
    ...(keys.securityToken === undefined ? {} : { "x-acs-security-token": keys.securityToken }),
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    method,
    path,
    canonicalQuery(query),
    ...names.map((name) => `${name}:${headers[name]}`),
    "",
    names.join(";"),
    hashedBody,
  ].join("\n");
  const signature = createHmac("sha256", keys.secret)
    .update(`${ALGORITHM}\n${sha256(canonical)}`)
    .digest("hex");
  const { host: _, ...sent } = headers; // fetch says it
  return {
    ...sent,
    authorization: `${ALGORITHM} Credential=${keys.id},SignedHeaders=${names.join(";")},Signature=${signature}`,
  };
}

/** Sorted and encoded as in RFC 3986. */
export function canonicalQuery(query: Readonly<Record<string, string>>): string {
  return Object.keys(query)
    .sort()
    .map((name) => `${encode(name)}=${encode(query[name] ?? "")}`)
    .join("&");
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
