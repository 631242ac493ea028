import type { PublicKey } from "../model/key.ts";
import type { Certificate } from "./x509.ts";

/** Whose word counts, and when it did (protobuf-specs, `sigstore_trustroot.proto`). */
export interface TrustedRoot {
  /** Transparency logs: Rekor v1 and v2. */
  readonly logs: readonly TrustedLog[];
  /** Authorities that issue certificates for signing: Fulcio. */
  readonly certificateAuthorities: readonly TrustedAuthority[];
  /** Logs of certificates (RFC 6962). */
  readonly ctLogs: readonly TrustedLog[];
  readonly timestampAuthorities: readonly TrustedAuthority[];
}

/** A span of time, its ends included; open where an end is absent. */
export interface Validity {
  readonly start?: Date;
  readonly end?: Date;
}

/** A log and the key that it signs with. */
export interface TrustedLog {
  /** As the root writes it. The origin in a log's checkpoints may be another. */
  readonly baseUrl: string;
  readonly key: PublicKey;
  /** `logId.keyId`, raw bytes: SHA-256 of the key's SubjectPublicKeyInfo for Rekor v1 and CT logs; of Rekor v2, the checkpoint key's id. */
  readonly keyId: Uint8Array;
  readonly validFor: Validity;
  readonly operator?: string;
}

/** An authority: its own certificate first, the root last. */
export interface TrustedAuthority {
  readonly uri: string;
  readonly chain: readonly Certificate[];
  readonly validFor: Validity;
  readonly operator?: string;
}

/** Whether `time` lies in a span. */
export function isWithin(time: Date, { start, end }: Validity): boolean {
  const at = time.getTime();
  return (
    (start === undefined || at >= start.getTime()) && (end === undefined || at <= end.getTime())
  );
}
