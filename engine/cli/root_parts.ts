import { parsePublicKeyPem } from "../crypto/public_key.ts";
import { logKeyId } from "../formats/log_key_id.ts";
import type { TrustedAuthority, TrustedLog, Validity } from "../formats/trusted_root.ts";
import { readShort } from "../io/blob.ts";
import { type CertificateContext, readCertificates } from "./certificate_files.ts";
import { usage } from "./parse.ts";
import { parseServiceSpec, type SpecKeys, validityOf } from "./service_spec.ts";

const MAX_KEY_BYTES = 65_536; // an RSA-4096 key has 800
const NO_LEAF = "first certificate in chain must be a leaf certificate";
const MISSING = "missing or empty required key";
const LOG_KEYS = {
  missing: [MISSING, "tlog spec"],
  required: ["url", "public-key", "start-time"],
  optional: ["end-time", "origin"],
} as const;
const AUTHORITY_KEYS = {
  required: ["url", "certificate-chain"],
  optional: ["start-time", "end-time"],
} as const;

/** Whose certificates an authority's are: Fulcio's begin with an authority, a timestamp authority's with its own. */
export type AuthorityKind = "fulcio" | "tsa";

/** A log as `--rekor` and `--ctfe` describe it. @throws {CosignError} `USAGE`, `KEY_…`, `FILE_READ`. */
export async function logOfSpec(
  text: string,
  name: "rekor" | "ctfe",
  context: CertificateContext,
): Promise<TrustedLog> {
  const keys: SpecKeys = { name, ...LOG_KEYS };
  const spec = parseServiceSpec(text, keys);
  const validFor = validityOf(spec, keys);
  const { url = "", "public-key": path = "", origin } = spec;
  return await logOfFile({ url, path, origin, validFor }, context);
}

/** A log by its key's file. @throws {CosignError} `KEY_…`, `FILE_READ`. */
export async function logOfFile(
  log: {
    readonly url: string;
    readonly path: string;
    readonly origin: string | undefined;
    readonly validFor: Validity;
  },
  context: CertificateContext,
): Promise<TrustedLog> {
  const { url, path, origin, validFor } = log;
  const pem = new TextDecoder().decode(await readShort(path, MAX_KEY_BYTES, context));
  const key = parsePublicKeyPem(pem, path);
  return { baseUrl: url, key, keyId: logKeyId(key, origin), validFor };
}

/** An authority as `--fulcio` and `--tsa` describe it. @throws {CosignError} `USAGE`, `CERTIFICATE_INVALID`, `FILE_READ`. */
export async function authorityOfSpec(
  text: string,
  kind: AuthorityKind,
  context: CertificateContext,
): Promise<TrustedAuthority> {
  const keys: SpecKeys = { name: kind, missing: [MISSING, `${kind} spec`], ...AUTHORITY_KEYS };
  const spec = parseServiceSpec(text, keys);
  const chain = await readCertificates(spec["certificate-chain"] ?? "", context);
  if (kind === "tsa" && chain[0].isCa) throw usage(`parsing tsa spec: ${NO_LEAF}`);
  const [first, last] = [chain[0], chain.at(-1) ?? chain[0]];
  const start = kind === "tsa" ? first.notBefore : last.notBefore;
  return { uri: spec["url"] ?? "", chain, validFor: { start, ...validityOf(spec, keys) } };
}

/** An authority by its certificates' file; it is valid from when its root is. @throws {CosignError} as {@link authorityOfSpec}. */
export async function authorityOfFile(
  path: string,
  uri: string,
  kind: AuthorityKind,
  context: CertificateContext,
): Promise<TrustedAuthority> {
  const chain = await readCertificates(path, context);
  if (kind === "tsa" && chain[0].isCa) throw usage(NO_LEAF);
  if (kind === "tsa" && chain.length < 2) {
    throw usage("certificate chain must have at least two certificates");
  }
  return { uri, chain, validFor: { start: (chain.at(-1) ?? chain[0]).notBefore } };
}
