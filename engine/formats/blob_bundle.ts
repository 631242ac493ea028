import { parseBase64Either, parseUtf8, utf8 } from "../model/bytes.ts";
import { foldedValue, isObject } from "./go_json.ts";
import { encodeGoValueBytes } from "./go_value.ts";
import type { LogEntry } from "./log_entry.ts";
import { parseRekorBundle, rekorBundleJson } from "./log_entry_json.ts";
import { parseStrictJson } from "./strict_json.ts";

/** What `sign-blob --bundle` wrote before Sigstore's bundles; parsed and not believed. */
export interface BlobBundle {
  /** Raw bytes. */
  readonly signature: Uint8Array;
  /** PEM of a certificate or of a bare public key, as the signer wrote it. Never a verifier by itself. */
  readonly certificatePem?: string;
  readonly logEntry?: LogEntry;
}

/**
 * Reads an old bundle, its keys without regard to their case as Go reads them.
 *
 * @throws {SyntaxError} when it is none.
 */
export function parseBlobBundle(bytes: Uint8Array): BlobBundle {
  return readBlobBundle(parseStrictJson(decode(bytes)));
}

/** Makes an old bundle of JSON in which no key stands twice. @throws {SyntaxError} */
export function readBlobBundle(root: unknown): BlobBundle {
  if (!isObject(root)) throw new SyntaxError("The bundle is no JSON object");
  const signature = foldedValue(root, "base64Signature");
  if (typeof signature !== "string" || signature === "") {
    throw new SyntaxError("The bundle has neither a mediaType nor a base64Signature");
  }
  const certificate = foldedValue(root, "cert") ?? "";
  if (typeof certificate !== "string") throw new SyntaxError("The bundle's cert is no text");
  const entry = foldedValue(root, "rekorBundle");
  return {
    signature: parseBase64Either(signature),
    ...(entry === undefined || entry === null ? {} : { logEntry: parseRekorBundle(entry) }),
    ...(certificate === "" ? {} : { certificatePem: pemOf(certificate) }),
  };
}

/** Encodes an old bundle, to the byte as cosign does; what is absent is left out. */
export function encodeBlobBundle({ signature, certificatePem, logEntry }: BlobBundle): Uint8Array {
  return encodeGoValueBytes({
    base64Signature: signature,
    ...(certificatePem === undefined ? {} : { cert: utf8(certificatePem) }),
    ...(logEntry === undefined ? {} : { rekorBundle: rekorBundleJson(logEntry) }),
  });
}

/** Both were written: PEM, and base64 of PEM. */
function pemOf(text: string): string {
  if (text.includes("-----BEGIN ")) return text;
  return decode(parseBase64Either(text.replaceAll(/\s/g, "")));
}

function decode(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    throw new SyntaxError("The bundle is not UTF-8", { cause });
  }
}
