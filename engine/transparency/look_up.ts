import { sha256 } from "../crypto/hash.ts";
import type { SignatureMaterial } from "../formats/evidence.ts";
import type { LogEntry } from "../formats/log_entry.ts";
import { utf8 } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { SignerPolicy } from "../verify/signer.ts";
import { bestEntry, type UnloggedSignature } from "../verify/unlogged.ts";
import { findSigners, type LoggedSigner } from "./rekor_index.ts";
import { findEntries } from "./rekor_search.ts";
import type { ServiceContext } from "./service.ts";

/** A log that is asked for entries that do not lie beside their signatures. */
export interface SearchedLog {
  readonly url: string;
  /** Entries about a signature. @throws {CosignError} as {@link findEntries}. */
  readonly find: (unlogged: UnloggedSignature) => Promise<readonly LogEntry[]>;
  /** Who has made a signature of a message, by its SHA-256. @throws {CosignError} as {@link findSigners}. */
  readonly findSigners: (
    digest: Uint8Array,
    signature: Uint8Array,
  ) => Promise<readonly LoggedSigner[]>;
}

/** A log of Rekor v1, which is asked once for each signature: the same may lie there a thousand times. */
export function searchedLog(url: string, context: ServiceContext): SearchedLog {
  const answers = new Map<string, Promise<readonly LogEntry[]>>();
  return {
    url,
    find: (unlogged) => {
      const { signature, signer } = unlogged.about;
      const key = [signature, signer.certificate ?? signer.spki, utf8(unlogged.text ?? "")]
        .map((part) => sha256(part).toHex())
        .join();
      const answer = answers.get(key) ?? findEntries(unlogged, url, context);
      answers.set(key, answer);
      return answer;
    },
    findSigners: (digest, signature) => findSigners(digest, signature, url, context),
  };
}

/** An envelope has at most so many signatures by those who count. */
const MAX_LOOK_UPS = 8;

/**
 * What vouches for a signature, with its entry out of a log where one is demanded and none lies beside it.
 *
 * @param unlogged The signatures for which the log must be asked; none: nothing is asked.
 * @param log Absent: nobody may be asked.
 * @throws {CosignError} `LOG_ENTRY_MISSING` when the log has none, or when there is no log to ask; else as
 * {@link findEntries}: then it is not known whether there is one.
 */
export async function withLookedUp(
  material: SignatureMaterial,
  unlogged: readonly UnloggedSignature[],
  policy: Pick<SignerPolicy, "witnesses">,
  log: SearchedLog | undefined,
): Promise<SignatureMaterial> {
  if (unlogged.length === 0) return material;
  if (log === undefined) {
    throw missing("offline verification failed: no entry of a transparency log lies beside it");
  }
  for (const one of unlogged.slice(0, MAX_LOOK_UPS)) {
    const found = await log.find(one);
    const entry = bestEntry(found, one.about, policy.witnesses?.logs ?? []);
    if (entry !== undefined) return { ...material, logEntries: [entry], logEvidence: "promise" };
  }
  throw missing(`signature not found in transparency log "${log.url}"`);
}

function missing(why: string): CosignError {
  return new CosignError("LOG_ENTRY_MISSING", why, {
    hint: "Verify without a log: --insecure-ignore-tlog",
  });
}
