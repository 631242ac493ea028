import * as v from "valibot";
import {
  type BackendKey,
  CosignError,
  type KeyType,
  type SignatureDigestAlgorithm,
} from "../../engine/plugin_host/contract.ts";
import type { Kms } from "./client.ts";
import { crc32c } from "./crc32c.ts";
import { type GcpKeyName, keyOf } from "./key_uri.ts";

/** How Cloud KMS signs with the versions of an algorithm. Ed25519 signs the message. */
interface Scheme {
  readonly type: KeyType;
  readonly digest?: Extract<SignatureDigestAlgorithm, "sha256" | "sha384" | "sha512">;
}

/** What our and cosign's verification knows: no PSS, which a public key in a file does not tell of. */
const SCHEMES: Readonly<Record<string, Scheme>> = {
  EC_SIGN_P256_SHA256: { type: "ecdsa-p256", digest: "sha256" },
  EC_SIGN_P384_SHA384: { type: "ecdsa-p384", digest: "sha384" },
  EC_SIGN_ED25519: { type: "ed25519" },
  RSA_SIGN_PKCS1_2048_SHA256: { type: "rsa-2048", digest: "sha256" },
  RSA_SIGN_PKCS1_3072_SHA256: { type: "rsa-3072", digest: "sha256" },
  RSA_SIGN_PKCS1_4096_SHA256: { type: "rsa-4096", digest: "sha256" },
  RSA_SIGN_PKCS1_4096_SHA512: { type: "rsa-4096", digest: "sha512" },
};
const PAGE_SIZE = 100;
/** A key that is rotated every day has as many versions after five years. */
const MAX_PAGES = 20;
/** What Cloud KMS takes of a message that it signs whole. */
const MAX_DATA_BYTES = 64 * 1024;
/** A CRC32C, in JSON as text. */
const checksum = v.pipe(v.union([v.string(), v.number()]), v.transform(Number));

const listSchema = v.object({
  cryptoKeyVersions: v.optional(v.array(v.object({ name: v.string() })), []),
  nextPageToken: v.optional(v.string(), ""),
});
const publicKeySchema = v.object({
  pem: v.string(),
  algorithm: v.string(),
  pemCrc32c: v.optional(checksum),
});
const signatureSchema = v.object({
  name: v.string(),
  signature: v.pipe(v.string(), v.base64()),
  signatureCrc32c: checksum,
  verifiedDigestCrc32c: v.optional(v.boolean(), false),
  verifiedDataCrc32c: v.optional(v.boolean(), false),
});

/** A version of a key whose public half was read. */
export interface KeyVersion extends BackendKey {
  /** `projects/…/cryptoKeyVersions/V` */
  readonly name: string;
  readonly scheme: Scheme;
}

/** The algorithm for new keys of a type; nothing where Cloud KMS has none. */
export function algorithmOf(type: KeyType): string | undefined {
  return Object.keys(SCHEMES).find((name) => SCHEMES[name]?.type === type);
}

/** The types that there are algorithms for. */
export function knownTypes(): readonly KeyType[] {
  return [...new Set(Object.values(SCHEMES).map(({ type }) => type))];
}

/**
 * Reads the public key of a version: the one that is named, or the latest that is enabled.
 *
 * @throws {CosignError} as `Kms.call`; `KEY_NOT_FOUND` when none is enabled.
 */
export async function readVersion(
  kms: Kms,
  key: GcpKeyName,
  uri: string,
  signal: AbortSignal,
): Promise<KeyVersion> {
  const { version } = key;
  const name =
    version === undefined ? await findLatest(kms, key, uri, signal) : nameOf(key, version);
  return await readPublicKey(kms, name, uri, signal);
}

/** Reads the first version of a key that was just made, as soon as it is there. */
export async function readFirstVersion(
  kms: Kms,
  key: GcpKeyName,
  uri: string,
  signal: AbortSignal,
): Promise<KeyVersion> {
  return await readPublicKey(kms, nameOf(key, "1"), uri, signal, /PENDING_GENERATION/);
}

function nameOf(key: GcpKeyName, version: string): string {
  return `${keyOf(key)}/cryptoKeyVersions/${version}`;
}

async function readPublicKey(
  kms: Kms,
  name: string,
  uri: string,
  signal: AbortSignal,
  passing?: RegExp,
): Promise<KeyVersion> {
  const what = `read key "${uri}"`;
  const permission = "cloudkms.cryptoKeyVersions.viewPublicKey";
  const call = { path: `${name}/publicKey`, what, permission };
  const answer = await kms.call(passing === undefined ? call : { ...call, passing }, signal);
  const parsed = v.safeParse(publicKeySchema, answer);
  if (!parsed.success) throw garbled(what, "the public key");
  const { pem, algorithm, pemCrc32c } = parsed.output;
  if (pemCrc32c !== undefined && pemCrc32c !== crc32c(new TextEncoder().encode(pem))) {
    throw garbled(what, "the public key as it was sent: its checksum differs");
  }
  const scheme = Object.hasOwn(SCHEMES, algorithm) ? SCHEMES[algorithm] : undefined;
  if (scheme === undefined) {
    throw new CosignError(
      "KEY_UNSUPPORTED",
      `Cannot use key "${uri}": its algorithm is ${algorithm.slice(0, 80)}`,
      { hint: `Use a key with one of ${Object.keys(SCHEMES).join(", ")}` },
    );
  }
  const { digest } = scheme;
  return { name, scheme, publicKey: pem, ...(digest === undefined ? {} : { digest }) };
}

/** Of the versions that are enabled, that of the greatest number: names are sorted as text there. */
async function findLatest(
  kms: Kms,
  key: GcpKeyName,
  uri: string,
  signal: AbortSignal,
): Promise<string> {
  const what = `find the versions of key "${uri}"`;
  const permission = "cloudkms.cryptoKeyVersions.list";
  let latest: { readonly name: string; readonly number: number } | undefined;
  let pageToken = "";
  for (let page = 0; page < MAX_PAGES; page++) {
    const query = new URLSearchParams({
      filter: "state=ENABLED",
      orderBy: "name desc",
      pageSize: `${PAGE_SIZE}`,
      ...(pageToken === "" ? {} : { pageToken }),
    });
    const path = `${keyOf(key)}/cryptoKeyVersions?${query}`;
    const parsed = v.safeParse(listSchema, await kms.call({ path, what, permission }, signal));
    if (!parsed.success) throw garbled(what, "a list of them");
    for (const { name } of parsed.output.cryptoKeyVersions) {
      const number = Number(name.slice(name.lastIndexOf("/") + 1));
      if (!isVersionOf(key, name)) throw garbled(what, "versions of this key");
      if (latest === undefined || number > latest.number) latest = { name, number };
    }
    pageToken = parsed.output.nextPageToken;
    if (pageToken === "") break;
  }
  if (latest !== undefined) return latest.name;
  throw new CosignError("KEY_NOT_FOUND", `Cannot use key "${uri}": no version of it is enabled`, {
    hint: "Enable one, or make one: gcloud kms keys versions create",
  });
}

function isVersionOf(key: GcpKeyName, name: string): boolean {
  const start = nameOf(key, "");
  return name.startsWith(start) && /^[1-9]\d{0,8}$/.test(name.slice(start.length));
}

/**
 * Asks for a signature, with checksums in both directions: of a digest, or of a message for Ed25519.
 *
 * @throws {CosignError} as `Kms.call`; `KEY_SERVICE_PROTOCOL` for what was changed on the way.
 */
export async function signWith(
  kms: Kms,
  { name, scheme: { digest } }: KeyVersion,
  uri: string,
  input: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const what = `sign with "${uri}"`;
  const permission = "cloudkms.cryptoKeyVersions.useToSign";
  if (input.length > MAX_DATA_BYTES) {
    throw new CosignError(
      "KEY_SIGN_FAILED",
      `Cannot ${what}: Cloud KMS signs at most ${MAX_DATA_BYTES} bytes with an Ed25519 key, got ${input.length}`,
      { hint: "Use a key on a NIST curve, which signs a digest" },
    );
  }
  const [bytes, sum] = [input.toBase64(), `${crc32c(input)}`];
  const body =
    digest === undefined
      ? { data: bytes, dataCrc32c: sum }
      : { digest: { [digest]: bytes }, digestCrc32c: sum };
  const path = `${name}:asymmetricSign`;
  const answer = await kms.call({ method: "POST", path, body, what, permission }, signal);
  const parsed = v.safeParse(signatureSchema, answer);
  if (!parsed.success) throw garbled(what, "a signature");
  const { signature, signatureCrc32c, verifiedDigestCrc32c, verifiedDataCrc32c } = parsed.output;
  if (parsed.output.name !== name) throw garbled(what, "a signature by the version that was asked");
  if (!(digest === undefined ? verifiedDataCrc32c : verifiedDigestCrc32c)) {
    throw garbled(what, "a word that what we sent came as it was sent");
  }
  const made = Uint8Array.fromBase64(signature);
  if (signatureCrc32c === crc32c(made)) return made;
  throw garbled(what, "the signature as it was sent: its checksum differs");
}

function garbled(what: string, thing: string): CosignError {
  return new CosignError(
    "KEY_SERVICE_PROTOCOL",
    `Cannot ${what}: the answer of Cloud KMS does not hold ${thing}`,
  );
}
