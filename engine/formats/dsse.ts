import { concatBytes, parseBase64Either, utf8 } from "../model/bytes.ts";
import { isObject } from "./go_json.ts";
import { encodeGoValue, type GoValue } from "./go_value.ts";

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

/** An envelope as cosign wrote it by itself until 2.6: other keys first, and a keyid always. */
export function oldDsseValue({ payloadType, payload, signatures }: DsseEnvelope): GoValue {
  return { payloadType, payload, signatures: signatures.map(({ keyid, sig }) => ({ keyid, sig })) };
}

/** An envelope as an object that encodes to the JSON of Sigstore's bundles. */
export function dsseValue({ payload, payloadType, signatures }: DsseEnvelope): GoValue {
  return {
    payload,
    payloadType,
    signatures: signatures.map(({ keyid, sig }) => (keyid === "" ? { sig } : { sig, keyid })),
  };
}

/** The JSON of an envelope as cosign wrote it by itself until 2.6. */
export function encodeOldDsse(envelope: DsseEnvelope): string {
  return encodeGoValue(oldDsseValue(envelope));
}

/** The JSON of an envelope as it stands in Sigstore's bundles. */
export function encodeDsse(envelope: DsseEnvelope): string {
  return encodeGoValue(dsseValue(envelope));
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
