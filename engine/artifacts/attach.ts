import { digestOf } from "../crypto/hash.ts";
import { parseBundle } from "../formats/bundle.ts";
import { type DsseEnvelope, oldDsseValue, parseDsse } from "../formats/dsse.ts";
import { encodeGoJson, isObject, type Json } from "../formats/go_json.ts";
import { encodeGoValueBytes } from "../formats/go_value.ts";
import { ANNOTATION, BUNDLE_MEDIA_PREFIX, MEDIA } from "../formats/media_types.ts";
import { encodeSignedTimestamp } from "../formats/timestamp.ts";
import { parseUtf8 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { Subject } from "../model/subject.ts";
import type { SharedWriteOptions } from "../registry/store.ts";
import { attachAttestationTag } from "./attestation_tag.ts";
import { attachBundle } from "./bundle_referrer.ts";
import { appendCompanionLayer } from "./companion_image.ts";
import { companionTag } from "./companion_tag.ts";
import { predicateOf } from "./download.ts";
import type { Stores } from "./stores.ts";

/** A signature that was made elsewhere, and what goes with it. */
export interface ForeignSignature {
  readonly payload: Uint8Array;
  /** Base64, taken as it is. */
  readonly signature: string;
  /** PEM. */
  readonly certificate?: string;
  /** PEM; with a certificate only. */
  readonly chain?: string;
  /** RFC 3161, DER. */
  readonly timestampResponse?: Uint8Array;
  /** The log's promise as cosign's old bundles have it. */
  readonly rekorBundle?: Json;
}

/** Puts a signature that was made elsewhere at the `.sig` tag, as the last one. */
export async function attachForeignSignature(
  subject: Subject,
  foreign: ForeignSignature,
  stores: Stores,
  options: SharedWriteOptions,
): Promise<void> {
  const { payload: content, timestampResponse, rekorBundle } = foreign;
  const annotations: Record<string, string> = { [ANNOTATION.signature]: foreign.signature };
  if (foreign.certificate !== undefined) {
    annotations[ANNOTATION.certificate] = foreign.certificate;
    annotations[ANNOTATION.chain] = foreign.chain ?? "";
  }
  if (timestampResponse !== undefined) {
    annotations[ANNOTATION.timestamp] = encodeSignedTimestamp(timestampResponse);
  }
  if (rekorBundle !== undefined) annotations[ANNOTATION.rekorBundle] = encodeGoJson(rekorBundle);
  const descriptor = {
    mediaType: MEDIA.simpleSigning,
    digest: digestOf(content),
    sizeBytes: content.length,
    annotations,
  };
  const tag = companionTag(subject.digest, "sig", stores.conventions.tagPrefix);
  const store = stores.companionsOf(subject);
  await appendCompanionLayer(store, tag, { descriptor, content }, stores.conventions, options);
}

/**
 * Puts a bundle that was made elsewhere beside a subject.
 *
 * @returns false when the bytes are no bundle at all: then nothing was done.
 * @throws {CosignError} `BUNDLE_INVALID` when it is one without a statement.
 */
export async function attachForeignBundle(
  subject: Subject,
  bytes: Uint8Array,
  stores: Stores,
  options: SharedWriteOptions & { readonly createdAt: string },
): Promise<boolean> {
  const envelope = bundleEnvelope(bytes);
  if (envelope === "no bundle") return false;
  if (envelope === "no envelope") {
    throw new CosignError("BUNDLE_INVALID", "bundle does not have DSSE envelope");
  }
  const predicateType = predicateOf(envelope);
  if (predicateType === undefined) {
    throw new CosignError("BUNDLE_INVALID", "unable to understand bundle envelope statement");
  }
  await attachBundle(subject, bytes, stores, { ...options, predicateType });
  return true;
}

function bundleEnvelope(bytes: Uint8Array): DsseEnvelope | "no bundle" | "no envelope" {
  try {
    const { content } = parseBundle(bytes);
    return content.kind === "dsse" ? content.envelope : "no envelope";
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    if (!claimsToBeBundle(bytes)) return "no bundle";
    throw new CosignError("BUNDLE_INVALID", `Cannot read the bundle: ${error.message}`, {
      cause: error,
    });
  }
}

function claimsToBeBundle(bytes: Uint8Array): boolean {
  try {
    const root: unknown = JSON.parse(parseUtf8(bytes));
    const mediaType = isObject(root) ? root["mediaType"] : undefined;
    return typeof mediaType === "string" && mediaType.startsWith(BUNDLE_MEDIA_PREFIX);
  } catch {
    return false; // no JSON at all
  }
}

/**
 * Puts envelopes that were made elsewhere at the `.att` tag: all of them are read before the first is put
 * there.
 *
 * @param text One or more JSON objects, one behind the other.
 * @param what Where the text is from, for messages.
 * @throws {CosignError} `ENVELOPE_INVALID`.
 */
export async function attachForeignEnvelopes(
  subject: Subject,
  text: Uint8Array,
  what: string,
  stores: Stores,
  options: SharedWriteOptions,
): Promise<void> {
  for (const envelope of readEnvelopes(text, what)) {
    const predicateType = predicateOf(envelope) ?? "";
    const content = encodeGoValueBytes(oldDsseValue(envelope));
    const attestation = { content, predicateType, isAnnotated: false };
    await attachAttestationTag(subject, attestation, stores, { ...options, replace: false });
  }
}

function readEnvelopes(bytes: Uint8Array, what: string): readonly DsseEnvelope[] {
  const invalid = (why: string, cause?: unknown): CosignError =>
    new CosignError(
      "ENVELOPE_INVALID",
      `attaching payload from ${what}: ${why}`,
      cause === undefined ? {} : { cause },
    );
  try {
    const envelopes = splitObjects(parseUtf8(bytes)).map((text) => JSON.parse(text) as unknown);
    return envelopes.map((value) => {
      const type =
        typeof value === "object" && value !== null ? Reflect.get(value, "payloadType") : "";
      if (type !== MEDIA.inToto) {
        const shown = JSON.stringify(type)?.slice(0, 120);
        throw invalid(`invalid payloadType ${shown} on envelope. Expected ${MEDIA.inToto}`);
      }
      const signatures: unknown = Reflect.get(value as object, "signatures");
      if (!Array.isArray(signatures) || signatures.length === 0) {
        throw invalid("could not attach attestation without having signatures");
      }
      return parseDsse(value);
    });
  } catch (cause) {
    if (cause instanceof CosignError) throw cause;
    throw invalid(describeError(cause), cause);
  }
}

/** The JSON objects that stand one behind the other in a text. @throws {SyntaxError} for anything else. */
function splitObjects(text: string): readonly string[] {
  const found: string[] = [];
  let depth = 0;
  let start = -1;
  const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}]|[^\s{}"]+|"/gs;
  for (const { 0: token, index } of text.matchAll(tokens)) {
    if (token === "{" && depth++ === 0) start = index;
    else if (token === "}" && --depth === 0) found.push(text.slice(start, index + 1));
    else if (depth <= 0) throw new SyntaxError("it is no sequence of JSON objects");
  }
  if (depth !== 0 || found.length === 0) throw new SyntaxError("it ends within a JSON object");
  return found;
}
