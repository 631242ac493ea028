import { createHash } from "node:crypto";
import type { MessageDigest } from "../formats/bundle.ts";
import { type DsseEnvelope, encodePae } from "../formats/dsse.ts";
import { MEDIA } from "../formats/media_types.ts";
import type { OpenedSigner } from "../keys/open.ts";
import { signWith } from "../keys/signing_identity.ts";
import { utf8 } from "../model/bytes.ts";
import type { EntryProposal } from "../transparency/rekor.ts";
import { envelopeContent, messageContent, type SignedContent } from "../verify/signer.ts";

/** The digests that signatures are made over. */
export type DraftDigest = MessageDigest["algorithm"];

/** As what an envelope stands in a log of Rekor v1. */
export type EntryKind = "dsse" | "intoto";

/** Something that is to be signed. */
export interface Draft {
  readonly kind: "message" | "dsse";
  /** What a log's entry must bring along in the format that the signature will be in. */
  readonly logEvidence: "promise" | "proof";
  readonly sign: (
    signer: OpenedSigner,
    digest: DraftDigest,
    signal?: AbortSignal,
  ) => Promise<Uint8Array>;
  readonly signed: (signature: Uint8Array, digest: DraftDigest) => SignedDraft;
}

/** What came of a draft, as those see it who vouch for it. */
export interface SignedDraft {
  readonly content: SignedContent;
  readonly entry: EntryContent;
  /** What is stamped with the time. */
  readonly stamped: Uint8Array;
}

/** What a log is to hold, but for who signed it. */
export type EntryContent = EntryProposal extends infer Each
  ? Each extends EntryProposal
    ? Omit<Each, "verifier">
    : never
  : never;

/** Bytes that are signed as they are: a payload of simple signing. */
export function messageDraft(message: Uint8Array, logEvidence: Draft["logEvidence"]): Draft {
  return {
    kind: "message",
    logEvidence,
    sign: (signer, digest, signal) => signWith(signer, message, digest, signal),
    signed: (signature, algorithm) => {
      const digest = new Uint8Array(createHash(algorithm).update(message).digest());
      return {
        content: messageContent(message),
        entry: { kind: "hashedrekord", digest: { algorithm, digest }, signature },
        stamped: signature,
      };
    },
  };
}

/** A statement, signed in an envelope that will stand in a bundle. */
export function statementDraft(payload: Uint8Array, entryKind: EntryKind = "dsse"): Draft {
  return {
    ...dsseDraft(payload),
    logEvidence: "proof",
    signed: (sig) => {
      const envelope = envelopeOf(payload, sig);
      return {
        content: envelopeContent(envelope),
        entry: { kind: entryKind, envelope },
        stamped: sig,
      };
    },
  };
}

/**
 * A statement, signed in an envelope that will stand by itself: the log holds, and the time is stamped on,
 * its JSON, as cosign has it there.
 */
export function bareStatementDraft(
  payload: Uint8Array,
  encode: (envelope: DsseEnvelope) => string,
  entryKind: EntryKind = "dsse",
): Draft {
  return {
    ...dsseDraft(payload),
    logEvidence: "promise",
    signed: (sig) => {
      const envelope = envelopeOf(payload, sig);
      const text = encode(envelope);
      const stamped = utf8(text);
      return {
        content: { ...envelopeContent(envelope), stamped },
        entry: { kind: entryKind, envelope, text },
        stamped,
      };
    },
  };
}

/** The envelope of a statement and its one signature. */
export function envelopeOf(payload: Uint8Array, sig: Uint8Array): DsseEnvelope {
  return { payloadType: MEDIA.inToto, payload, signatures: [{ keyid: "", sig }] };
}

function dsseDraft(payload: Uint8Array): Pick<Draft, "kind" | "sign"> {
  const message = encodePae(MEDIA.inToto, payload);
  return {
    kind: "dsse",
    sign: (signer, digest, signal) => signWith(signer, message, digest, signal),
  };
}
