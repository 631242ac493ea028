import type { MessageDigest } from "../formats/bundle.ts";
import type { Json } from "../formats/go_json.ts";
import { encodeBase64, utf8 } from "../model/bytes.ts";

/** An entry as Rekor v1 is asked for it (rekor, `openapi.yaml`, `ProposedEntry`). */
export interface ProposedEntry {
  readonly apiVersion: "0.0.1";
  readonly kind: "hashedrekord" | "dsse" | "intoto";
  readonly spec: Json;
}

/** A signature over a message (`hashedrekord` 0.0.1). @param verifierPem Of a certificate, or of a public key. */
export function hashedRekord(
  { algorithm, digest }: MessageDigest,
  signature: Uint8Array,
  verifierPem: string,
): ProposedEntry {
  return {
    apiVersion: "0.0.1",
    kind: "hashedrekord",
    spec: {
      data: { hash: { algorithm, value: digest.toHex() } },
      signature: {
        content: encodeBase64(signature),
        publicKey: { content: encodeBase64(utf8(verifierPem)) },
      },
    },
  };
}

/** An envelope (`dsse` 0.0.1). @param text Its JSON: these bytes are hashed. */
export function dsseEntry(text: string, verifierPem: string): ProposedEntry {
  const verifiers = [encodeBase64(utf8(verifierPem))];
  return {
    apiVersion: "0.0.1",
    kind: "dsse",
    spec: { proposedContent: { envelope: text, verifiers } },
  };
}

/** An envelope as cosign 1 logged it (`intoto` 0.0.1). @param text Its JSON: these bytes are hashed. */
export function intotoEntry(text: string, verifierPem: string): ProposedEntry {
  return {
    apiVersion: "0.0.1",
    kind: "intoto",
    spec: { content: { envelope: text }, publicKey: encodeBase64(utf8(verifierPem)) },
  };
}
