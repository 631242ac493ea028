import { encodePem, parsePem } from "../crypto/pem.ts";
import { utf8 } from "../model/bytes.ts";
import { describeError } from "../model/errors.ts";
import { type Evidence, NO_MATERIAL, type SignatureMaterial } from "./evidence.ts";
import { encodeGoJson } from "./go_json.ts";
import type { LogEntry } from "./log_entry.ts";
import { parseRekorBundle, rekorBundleJson } from "./log_entry_json.ts";
import { ANNOTATION } from "./media_types.ts";
import { parseStrictJson } from "./strict_json.ts";
import { encodeSignedTimestamp, parseSignedTimestamp } from "./timestamp.ts";

const MAX_CHAIN = 10; // Fulcio's has three

/** What the annotations of a signature's or an attestation's layer bring along, as old cosign writes them. */
export function layerMaterial(
  annotations: Readonly<Record<string, string>> | undefined,
): NonNullable<Evidence["material"]> {
  const text = (name: string): string => annotations?.[name] ?? "";
  const names = [
    ANNOTATION.certificate,
    ANNOTATION.chain,
    ANNOTATION.rekorBundle,
    ANNOTATION.timestamp,
  ];
  if (names.every((name) => text(name) === "")) return NO_MATERIAL;
  try {
    return {
      certificates: [...readPem(text(ANNOTATION.certificate)), ...readPem(text(ANNOTATION.chain))],
      logEntries: readEntry(text(ANNOTATION.rekorBundle)),
      logEvidence: "promise",
      timestamps: readTimestamp(text(ANNOTATION.timestamp)),
    } satisfies SignatureMaterial;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { unreadable: `Cannot read what came with the signature: ${describeError(error)}` };
  }
}

/**
 * What is to stand in the annotations of a new layer. There is room for one log entry and one timestamp:
 * the first of each. A certificate never stands without its chain, though that may be empty.
 */
export function materialAnnotations({
  certificates: [certificate, ...chain],
  logEntries: [entry],
  timestamps: [timestamp],
}: Pick<SignatureMaterial, "certificates" | "logEntries" | "timestamps">): Readonly<
  Record<string, string>
> {
  return {
    ...(certificate === undefined
      ? {}
      : {
          [ANNOTATION.certificate]: encodePem("CERTIFICATE", certificate),
          [ANNOTATION.chain]: chain.map((each) => encodePem("CERTIFICATE", each)).join(""),
        }),
    ...(entry === undefined
      ? {}
      : { [ANNOTATION.rekorBundle]: encodeGoJson(rekorBundleJson(entry)) }),
    ...(timestamp === undefined
      ? {}
      : { [ANNOTATION.timestamp]: encodeSignedTimestamp(timestamp) }),
  };
}

function readPem(pem: string): readonly Uint8Array[] {
  const certificates: Uint8Array[] = [];
  for (let rest = pem; rest.includes("-----BEGIN "); ) {
    if (certificates.length === MAX_CHAIN) {
      throw new SyntaxError(`more than ${MAX_CHAIN} certificates`);
    }
    const block = parsePem(rest);
    if (block.type !== "CERTIFICATE") {
      throw new SyntaxError(`a PEM block of type "${block.type}", expected "CERTIFICATE"`);
    }
    certificates.push(block.bytes);
    rest = block.rest;
  }
  return certificates;
}

/** cosign writes `null` where there is none. */
function readEntry(text: string): readonly LogEntry[] {
  const value = text === "" ? null : parseStrictJson(text);
  return value === null ? [] : [parseRekorBundle(value)];
}

function readTimestamp(text: string): readonly Uint8Array[] {
  return text === "" || text === "null" ? [] : [parseSignedTimestamp(utf8(text))];
}
