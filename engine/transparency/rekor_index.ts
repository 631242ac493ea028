import { parseLogBody } from "../formats/log_body.ts";
import type { LogEntry } from "../formats/log_entry.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import { retrieveEntries, search } from "./_retrieve.ts";
import type { ServiceContext } from "./service.ts";

/** Whose certificate made a signature, as an entry of a log has it. Parsed, not believed. */
export interface LoggedSigner {
  /** DER. */
  readonly certificate: Uint8Array;
  readonly entry: LogEntry;
}

/** Anybody can log signatures of a file of his own; nobody honest has so many of one. */
const MAX_CANDIDATES = 500;
/** What Rekor takes in one question. */
const UUIDS_AT_ONCE = 10;
const UUID = /^(?:[0-9a-f]{16})?[0-9a-f]{64}$/i;

/**
 * Asks a log of Rekor v1 who has made a signature, as cosign 1 does for a file of which nothing else is
 * known: by the index of what was signed, which the log keeps as well as it can.
 *
 * @param digest SHA-256 of what was signed.
 * @param signature The very one: entries of other signatures are passed over (CVE-2024-51746), and so
 * are those by bare keys.
 * @throws {CosignError} `LIMIT_EXCEEDED` when there are too many entries to look at, else as `findEntries()`.
 */
export async function findSigners(
  digest: Uint8Array,
  signature: Uint8Array,
  url: string,
  context: ServiceContext,
): Promise<readonly LoggedSigner[]> {
  const query = { hash: `sha256:${digest.toHex()}` };
  const uuids = await search("/api/v1/index/retrieve", query, url, context, parseUuids);
  if (uuids.length > MAX_CANDIDATES) {
    throw new CosignError(
      "LIMIT_EXCEEDED",
      `Cannot find out from the log who has signed: it has ${uuids.length} entries about this content, at most ${MAX_CANDIDATES} are looked at`,
      { hint: "Name the signer: --certificate, or --key" },
    );
  }
  const signers: LoggedSigner[] = [];
  for (let i = 0; i < uuids.length; i += UUIDS_AT_ONCE) {
    const entryUUIDs = uuids.slice(i, i + UUIDS_AT_ONCE);
    for (const entry of await retrieveEntries({ entryUUIDs }, url, context)) {
      signers.push(...signersIn(entry, digest, signature));
    }
  }
  return signers;
}

function parseUuids(answer: unknown): readonly string[] {
  if (!Array.isArray(answer)) throw new SyntaxError("it is no list");
  return [...new Set(answer.map(parseUuid))];
}

function parseUuid(value: unknown): string {
  if (typeof value === "string" && UUID.test(value)) return value;
  throw new SyntaxError("it names an entry by what is no UUID");
}

function signersIn(
  entry: LogEntry,
  digest: Uint8Array,
  signature: Uint8Array,
): readonly LoggedSigner[] {
  const { subject, signatures } = bodyOf(entry) ?? {};
  if (subject?.kind !== "message" || !equalBytes(subject.hash.value, digest)) return [];
  return (signatures ?? [])
    .filter((one) => one.signature !== undefined && equalBytes(one.signature, signature))
    .filter(({ verifier }) => verifier.kind === "certificate")
    .map(({ verifier }) => ({
      certificate: verifier.der,
      entry: { ...entry, lookedUp: true },
    }));
}

/** Nothing for kinds of entries that are not ours: the index has them all. */
function bodyOf({ body }: LogEntry): ReturnType<typeof parseLogBody> | undefined {
  try {
    return parseLogBody(body);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
