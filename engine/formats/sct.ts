import {
  derElements,
  encodeDer,
  expectTag,
  parseDer,
  parseDerOid,
  parseDerSequence,
  TAG,
} from "../crypto/der.ts";
import { sha256 } from "../crypto/hash.ts";
import { concatBytes, parseBase64, parseBase64Either, parseUtf8 } from "../model/bytes.ts";
import { foldedValue, isObject } from "./go_json.ts";
import { parseStrictJson } from "./strict_json.ts";
import type { Certificate } from "./x509.ts";

/** A signed certificate timestamp (RFC 6962 §3.2), parsed and not believed. */
export interface Sct {
  /** SHA-256 of the log's key: 32 raw bytes. */
  readonly logId: Uint8Array;
  readonly time: Date;
  /** The time as it is signed: 8 bytes. */
  readonly timeBytes: Uint8Array;
  readonly extensions: Uint8Array;
  readonly digest: "sha256" | "sha384" | "sha512";
  readonly signature: Uint8Array;
}

/** Contents of the OBJECT IDENTIFIER 1.3.6.1.4.1.11129.2.4.2 in hexadecimal. */
const OID_SCT_LIST = "2b06010401d679020402";
const TAG_EXTENSIONS = 0xa3;
const VERSION_1 = 0;
const CERTIFICATE_TIMESTAMP = 0;
const [X509_ENTRY, PRECERT_ENTRY] = [0, 1];
const MAX_SCTS = 32;
const LOG_ID_BYTES = 32;
const TIME_BYTES = 8;
const DIGESTS: ReadonlyMap<number, Sct["digest"]> = new Map([
  [4, "sha256"],
  [5, "sha384"],
  [6, "sha512"],
]);

/** The timestamps in a certificate (RFC 6962 §3.3); none when it has none. @throws {SyntaxError} */
export function embeddedScts(certificate: Certificate): readonly Sct[] {
  const value = certificate.extensions.get(OID_SCT_LIST);
  if (value === undefined) return [];
  const list = new Reader(parseDer(value, TAG.octetString).content);
  const entries = new Reader(list.vector(2));
  list.end();
  const scts: Sct[] = [];
  while (!entries.isAtEnd) {
    if (scts.length === MAX_SCTS) throw new SyntaxError(`more than ${MAX_SCTS} SCTs`);
    scts.push(parseSct(entries.vector(2)));
  }
  return scts;
}

/** Reads one timestamp. @throws {SyntaxError} */
export function parseSct(bytes: Uint8Array): Sct {
  const reader = new Reader(bytes);
  if (reader.number(1) !== VERSION_1) throw new SyntaxError("an SCT that is not of version 1");
  const logId = reader.bytes(LOG_ID_BYTES);
  const timeBytes = reader.bytes(TIME_BYTES);
  const extensions = reader.vector(2);
  const { digest, signature } = signatureOf(reader);
  reader.end();
  return { logId, time: timeOf(timeBytes), timeBytes, extensions, digest, signature };
}

/**
 * Reads a detached timestamp: the log's answer to `add-chain` (RFC 6962 §4.1) as JSON, as `--sct`
 * and Fulcio's `SCT` header have it.
 *
 * @throws {SyntaxError}
 */
export function parseDetachedSct(bytes: Uint8Array): Sct {
  const json = parseStrictJson(textOf(bytes));
  if (!isObject(json)) throw new SyntaxError("The SCT is no JSON object");
  if (foldedValue(json, "sct_version") !== VERSION_1) {
    throw new SyntaxError("an SCT that is not of version 1");
  }
  const text = (name: string): string => {
    const value = foldedValue(json, name) ?? "";
    if (typeof value !== "string") throw new SyntaxError(`The SCT's ${name} is no text`);
    return value;
  };
  const timestamp = foldedValue(json, "timestamp");
  if (typeof timestamp !== "number" || !Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw new SyntaxError("The SCT's timestamp is no number");
  }
  const timeBytes = new Uint8Array(TIME_BYTES);
  new DataView(timeBytes.buffer).setBigUint64(0, BigInt(timestamp));
  const reader = new Reader(parseBase64(text("signature")));
  const { digest, signature } = signatureOf(reader);
  reader.end();
  return {
    logId: parseBase64(text("id")),
    time: timeOf(timeBytes),
    timeBytes,
    extensions: parseBase64Either(text("extensions")),
    digest,
    signature,
  };
}

/** The bytes that a log signs for a certificate that carries the timestamp itself (RFC 6962 §3.2). */
export function signedByEmbedded(
  sct: Sct,
  certificate: Certificate,
  issuer: Certificate,
): Uint8Array {
  const tbs = withoutScts(certificate.tbs);
  return signedBytes(
    sct,
    concatBytes(number(PRECERT_ENTRY, 2), sha256(issuer.spki), number(tbs.length, 3), tbs),
  );
}

/** The bytes that a log signs for a whole certificate. */
export function signedByDetached(sct: Sct, { der }: Certificate): Uint8Array {
  return signedBytes(sct, concatBytes(number(X509_ENTRY, 2), number(der.length, 3), der));
}

function signedBytes({ timeBytes, extensions }: Sct, entry: Uint8Array): Uint8Array {
  const head = Uint8Array.of(VERSION_1, CERTIFICATE_TIMESTAMP);
  return concatBytes(head, timeBytes, entry, number(extensions.length, 2), extensions);
}

/** The certificate as the log saw it before the timestamps were put in. */
function withoutScts(tbs: Uint8Array): Uint8Array {
  const fields = derElements(parseDer(tbs, TAG.sequence).content).map((field) => {
    if (field.tag !== TAG_EXTENSIONS) return field.raw;
    const kept = parseDerSequence(field.content).filter(
      (each) => parseDerOid(derElements(expectTag(each, TAG.sequence).content)[0]) !== OID_SCT_LIST,
    );
    return encodeDer(TAG_EXTENSIONS, encodeDer(TAG.sequence, ...kept.map(({ raw }) => raw)));
  });
  return encodeDer(TAG.sequence, ...fields);
}

/** `digitally-signed` (RFC 5246 §4.7). What the key is, the log's key says. */
function signatureOf(reader: Reader): Pick<Sct, "digest" | "signature"> {
  const digest = DIGESTS.get(reader.number(1));
  reader.number(1);
  if (digest === undefined) throw new SyntaxError("an SCT with a digest that is not SHA-2");
  return { digest, signature: reader.vector(2) };
}

function timeOf(bytes: Uint8Array): Date {
  const ms = Number(new DataView(bytes.buffer, bytes.byteOffset, TIME_BYTES).getBigUint64(0));
  const time = new Date(ms);
  if (Number.isNaN(time.getTime())) throw new SyntaxError("an SCT without a time");
  return time;
}

function number(value: number, bytes: number): Uint8Array {
  const encoded = new Uint8Array(bytes);
  for (let i = bytes - 1, rest = value; i >= 0; i -= 1, rest = Math.floor(rest / 256)) {
    encoded[i] = rest % 256;
  }
  return encoded;
}

function textOf(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    throw new SyntaxError("The SCT is not UTF-8", { cause });
  }
}

/** Reads TLS's presentation language (RFC 5246 §4) from the front. */
class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  bytes(count: number): Uint8Array {
    const end = this.#offset + count;
    if (end > this.#bytes.length) throw new SyntaxError("an SCT that is cut off");
    const part = this.#bytes.slice(this.#offset, end);
    this.#offset = end;
    return part;
  }

  number(bytes: number): number {
    return this.bytes(bytes).reduce((value, byte) => value * 256 + byte, 0);
  }

  vector(lengthBytes: number): Uint8Array {
    return this.bytes(this.number(lengthBytes));
  }

  end(): void {
    if (!this.isAtEnd) throw new SyntaxError("an SCT with bytes after its end");
  }
}
