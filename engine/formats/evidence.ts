import type { Digest } from "../model/digest.ts";
import type { DsseEnvelope } from "./dsse.ts";
import type { LogEntry } from "./log_entry.ts";

/** Something that may be a signature of a subject: parsed, not believed. All of it is attacker-controlled. */
export interface Evidence {
  readonly source: {
    readonly place: "signature-tag" | "attestation-tag" | "referrer" | "file";
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
  /** What vouches for the signature; why, where it could not be read. Absent: nothing. */
  readonly material?: SignatureMaterial | { readonly unreadable: string };
}

/** What lies beside a signature to vouch for it. All of it is attacker-controlled. */
export interface SignatureMaterial {
  /** DER: the signer's own first, then others. */
  readonly certificates: readonly Uint8Array[];
  readonly logEntries: readonly LogEntry[];
  /** What each log entry must bring along, by the format that it came in. */
  readonly logEvidence: "promise" | "proof" | "either";
  /** RFC 3161 TimeStampResp, DER. */
  readonly timestamps: readonly Uint8Array[];
  /** A signed certificate timestamp beside the certificate: JSON. */
  readonly detachedSct?: Uint8Array;
}

/** Nothing vouches. */
export const NO_MATERIAL: SignatureMaterial = {
  certificates: [],
  logEntries: [],
  logEvidence: "either",
  timestamps: [],
};
