import type { SignatureScheme } from "../crypto/signature.ts";
import type { DsseEnvelope } from "../formats/dsse.ts";
import { type Evidence, NO_MATERIAL, type SignatureMaterial } from "../formats/evidence.ts";
import type { LogEntry } from "../formats/log_entry.ts";
import type { TrustedLog } from "../formats/trusted_root.ts";
import { CosignError } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import { keyOf } from "./certificate.ts";
import { type LoggedSignature, verifyLogEntry } from "./log_entry.ts";
import {
  broughtBy,
  certificateOfKey,
  checkIdentities,
  envelopeContent,
  leafOf,
  messageContent,
  type SignedContent,
  type SignerPolicy,
  verifyAt,
} from "./signer.ts";

/** A signature that somebody who counts has made, whose entry in a log is demanded and does not lie beside it. */
export interface UnloggedSignature {
  readonly about: LoggedSignature;
  /** How it was made: so it was logged. */
  readonly scheme: SignatureScheme;
  /** Of an envelope: its JSON as it lies there. */
  readonly text?: string;
}

/** The unlogged signatures of an image's evidence. Bundles are never without their entries: of those there are none. */
export function unloggedOf(
  { content, source, material = NO_MATERIAL }: Evidence,
  policy: SignerPolicy,
): readonly UnloggedSignature[] {
  if (source.place === "referrer" || "unreadable" in material) return [];
  if (!lacksEntry(material, policy)) return [];
  const { signatureDigestAlgorithm: only } = policy;
  switch (content.kind) {
    case "simple-signing":
      return unloggedIn(
        messageContent(content.payload, only),
        [content.signature],
        material,
        policy,
      );
    case "dsse":
      return unloggedEnvelope(content.envelope, content.text, material, policy);
    case "unreadable":
      return [];
  }
}

/** The unlogged signatures of an envelope. @param text Its JSON as it lies there. */
export function unloggedEnvelope(
  envelope: DsseEnvelope,
  text: string | undefined,
  material: SignatureMaterial,
  policy: SignerPolicy,
): readonly UnloggedSignature[] {
  if (!lacksEntry(material, policy)) return [];
  const content = envelopeContent(envelope, policy.signatureDigestAlgorithm);
  const signatures = envelope.signatures.map(({ sig }) => sig);
  const found = unloggedIn(content, signatures, material, policy);
  return found.map((unlogged) => (text === undefined ? unlogged : { ...unlogged, text }));
}

/**
 * The signatures over some content for which a log must be asked. Only those that will count once
 * there is an entry: whoever fills a registry with others does not make us ask.
 */
export function unloggedIn(
  content: SignedContent,
  signatures: readonly Uint8Array[],
  material: SignatureMaterial,
  policy: SignerPolicy,
): readonly UnloggedSignature[] {
  if (!lacksEntry(material, policy)) return [];
  return signersOf(material, policy).flatMap(({ key, certificate }) =>
    signatures.flatMap((signature) => {
      const scheme = unlessRefused(() => content.check(key, signature));
      const signer = { spki: key.spki, ...(certificate === undefined ? {} : { certificate }) };
      return scheme === undefined
        ? []
        : [{ scheme, about: { signature, signer, content: content.logged() } }];
    }),
  );
}

/**
 * The entry that serves: of those that a trusted log vouches for, the earliest, as cosign takes it; else
 * any, so that whoever verifies says what is wrong with it.
 */
export function bestEntry(
  entries: readonly LogEntry[],
  about: LoggedSignature,
  logs: readonly TrustedLog[],
): LogEntry | undefined {
  const good = entries.filter(
    (entry) => unlessRefused(() => verifyLogEntry(entry, about, logs, "promise")) !== undefined,
  );
  const byTime = good.sort((a, b) => (a.integratedTime ?? 0) - (b.integratedTime ?? 0));
  return byTime[0] ?? entries[0];
}

function lacksEntry({ logEntries }: SignatureMaterial, { witnesses }: SignerPolicy): boolean {
  return (witnesses?.logThreshold ?? 0) > 0 && logEntries.length === 0;
}

interface Signer {
  readonly key: PublicKey;
  /** DER. */
  readonly certificate?: Uint8Array;
}

function signersOf(material: SignatureMaterial, policy: SignerPolicy): readonly Signer[] {
  const { keys, certificates } = policy;
  const byKey = keys.flatMap((key): readonly Signer[] => {
    const found = unlessRefused(() => ({ certificate: certificateOfKey(key, material) }));
    if (found === undefined) return [];
    const { certificate } = found;
    return [{ key, ...(certificate === undefined ? {} : { certificate }) }];
  });
  if (certificates === undefined) return byKey;
  const byCertificate = unlessRefused((): Signer => {
    const leaf = leafOf(material, certificates.certificate);
    checkIdentities(leaf, certificates.identities);
    // When it was used, only the log will tell; an authority's it must be in any case.
    verifyAt(leaf, broughtBy(material), leaf.notBefore, certificates);
    return { key: keyOf(leaf), certificate: leaf.der };
  });
  return byCertificate === undefined ? byKey : [...byKey, byCertificate];
}

/** Nothing, where it is refused: why, says whoever verifies, who comes to the same. */
function unlessRefused<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch (error) {
    if (!(error instanceof CosignError)) throw error;
    return undefined;
  }
}
