import type { Digest } from "../model/digest.ts";
import type { DsseEnvelope } from "./dsse.ts";

/** Something that may be a signature of a subject: parsed, not believed. All of it is attacker-controlled. */
export interface Evidence {
  readonly source: {
    readonly place: "signature-tag" | "attestation-tag" | "referrer";
    readonly manifestDigest: Digest;
    readonly layerDigest: Digest;
  };
  readonly content:
    | {
        readonly kind: "simple-signing";
        /** The bytes that were signed. */
        readonly payload: Uint8Array;
        readonly signature: Uint8Array;
      }
    | {
        readonly kind: "dsse";
        readonly envelope: DsseEnvelope;
        /** The envelope's JSON as it lies there, when it lies there by itself. */
        readonly text?: string;
      }
    /** Lies where signatures lie, but could not be read as one. */
    | { readonly kind: "unreadable"; readonly why: string };
  /** What the signer wrote to help find the key. Never a verifier. */
  readonly keyHint?: string;
}
