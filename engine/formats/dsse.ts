import { concatBytes, encodeBase64, parseBase64Either, utf8 } from "../model/bytes.ts";
import { encodeGoJson, isObject, type Json } from "./go_json.ts";

/** More signatures than anybody puts on one envelope. */
const MAX_SIGNATURES = 100;

/** A DSSE envelope, parsed and not believed. */
export interface DsseEnvelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly DsseSignature[];
}

/** One signature of an envelope. */
export interface DsseSignature {
  /** A hint, nothing more. */
  readonly keyid: string;
  readonly sig: Uint8Array;
}

/** The bytes that a DSSE signature is over: the pre-authentication encoding of the protocol, v1. */
export function encodePae(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8(payloadType);
  return concatBytes(utf8(`DSSEv1 ${type.length} `), type, utf8(` ${payload.length} `), payload);
}

/**
 * Reads an envelope from parsed JSON. The payload and the signatures may be in either alphabet of
 * base64, as the secure-systems library takes them.
 *
 * @throws {SyntaxError} when a part is missing or of the wrong type, or when there is no signature.
 */
export function parseDsse(value: unknown): DsseEnvelope {
  if (!isObject(value)) throw new SyntaxError("The DSSE envelope is no JSON object");
  const { payloadType, payload, signatures } = value;
  if (typeof payloadType !== "string" || typeof payload !== "string") {
    throw new SyntaxError("The DSSE envelope lacks its payload or payloadType");
  }
  if (!Array.isArray(signatures) || signatures.length === 0) {
    throw new SyntaxError("The DSSE envelope has no signatures");
  }
  if (signatures.length > MAX_SIGNATURES) {
    throw new SyntaxError(
      `The DSSE envelope has ${signatures.length} signatures, at most ${MAX_SIGNATURES} are read`,
    );
  }
  return {
    payloadType,
    payload: parseBase64Either(payload),
    signatures: signatures.map(parseSignature),
  };
}

/** The JSON of an envelope by itself, as cosign wrote it until 2.6: other keys first, and a keyid always. */
export function encodeOldDsse(envelope: DsseEnvelope): string {
  return encodeGoJson({
    payloadType: envelope.payloadType,
    payload: encodeBase64(envelope.payload),
    signatures: envelope.signatures.map(({ keyid, sig }) => ({ keyid, sig: encodeBase64(sig) })),
  });
}

/** An envelope as an object that encodes to the JSON of Sigstore's bundles. */
export function dsseJson(envelope: DsseEnvelope): Json {
  return {
    payload: encodeBase64(envelope.payload),
    payloadType: envelope.payloadType,
    signatures: envelope.signatures.map(({ keyid, sig }) =>
      keyid === "" ? { sig: encodeBase64(sig) } : { sig: encodeBase64(sig), keyid },
    ),
  };
}

function parseSignature(value: unknown): DsseSignature {
  if (!isObject(value) || typeof value["sig"] !== "string") {
    throw new SyntaxError("A signature of the DSSE envelope lacks its sig");
  }
  const { keyid, sig } = value;
  if (keyid !== undefined && keyid !== null && typeof keyid !== "string") {
    throw new SyntaxError("A signature of the DSSE envelope has a keyid that is no text");
  }
  return { keyid: keyid ?? "", sig: parseBase64Either(sig as string) };
}
