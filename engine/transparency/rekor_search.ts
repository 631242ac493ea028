import { encodePem } from "../crypto/pem.ts";
import type { SignatureScheme } from "../crypto/signature.ts";
import type { MessageDigest } from "../formats/bundle.ts";
import { encodeOldDsse } from "../formats/dsse.ts";
import type { LogEntry } from "../formats/log_entry.ts";
import { hasCode } from "../model/errors.ts";
import { checkLogBody, type LoggedSignature } from "../verify/log_entry.ts";
import type { UnloggedSignature } from "../verify/unlogged.ts";
import { dsseEntry, hashedRekord, intotoEntry, type ProposedEntry } from "./_proposed_entry.ts";
import { retrieveEntries } from "./_retrieve.ts";
import type { ServiceContext } from "./service.ts";

/**
 * Asks a log of Rekor v1 for the entries of a signature, as cosign does where none lies beside it: by
 * what the entry would be. The entries are about this signature; whether the log is to be trusted,
 * `verify/log_entry.ts` says.
 *
 * @returns nothing when the log has none, or could have none for signatures of this sort.
 * @throws {CosignError} `LOG_REFUSED` when the log does not take the question, `SERVICE_PROTOCOL` when its
 * answer is none, and as `callService()`: a log that does not answer never means "not logged".
 */
export async function findEntries(
  unlogged: UnloggedSignature,
  url: string,
  context: ServiceContext,
): Promise<readonly LogEntry[]> {
  const entries = proposedEntries(unlogged);
  if (entries.length === 0) return [];
  const found = await retrieveEntries({ entries }, url, context);
  return found
    .filter((entry) => isAbout(entry, unlogged.about))
    .map((entry) => ({ ...entry, lookedUp: true }));
}

/**
 * Asks a log of Rekor v1 for the entry at a place of the whole log: with its proof.
 *
 * @returns nothing when the log has none there. It may be about anything.
 * @throws {CosignError} as {@link findEntries}.
 */
export async function entryAt(
  logIndex: number,
  url: string,
  context: ServiceContext,
): Promise<LogEntry | undefined> {
  const found = await retrieveEntries({ logIndexes: [logIndex] }, url, context);
  return found.find((entry) => entry.logIndex === logIndex);
}

/** Entries of other signatures are passed over (CVE-2024-51746): a search may answer with anything. */
function isAbout(entry: LogEntry, about: LoggedSignature): boolean {
  try {
    checkLogBody(entry, about);
    return true;
  } catch (error) {
    if (hasCode(error, "LOG_ENTRY_MISMATCH", "LOG_ENTRY_INVALID")) return false;
    throw error;
  }
}

/** What the entry may be. Rekor checks the signature in it, and refuses all when one does not hold. */
function proposedEntries({ about, scheme, text }: UnloggedSignature): readonly ProposedEntry[] {
  const { content, signature, signer } = about;
  const verifierPem =
    signer.certificate === undefined
      ? encodePem("PUBLIC KEY", signer.spki)
      : encodePem("CERTIFICATE", signer.certificate);
  if (content.kind === "message") {
    const algorithm = digestOf(scheme);
    const digest = algorithm === undefined ? undefined : content.digests[algorithm];
    return algorithm === undefined || digest === undefined
      ? []
      : [hashedRekord({ algorithm, digest }, signature, verifierPem)];
  }
  if (scheme !== "ed25519" && digestOf(scheme) !== "sha256") return [];
  const json = text ?? encodeOldDsse(content.envelope);
  return [dsseEntry(json, verifierPem), intotoEntry(json, verifierPem)];
}

/** The digest in a `hashedrekord`; nothing for plain Ed25519, which has none, and for what Rekor does not know. */
function digestOf(scheme: SignatureScheme): MessageDigest["algorithm"] | undefined {
  if (scheme === "ed25519ph") return "sha512";
  return (["sha256", "sha384", "sha512"] as const).find((name) => scheme.endsWith(`-${name}`));
}
