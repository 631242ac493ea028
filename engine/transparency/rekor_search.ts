import { encodePem } from "../crypto/pem.ts";
import type { SignatureScheme } from "../crypto/signature.ts";
import type { MessageDigest } from "../formats/bundle.ts";
import { encodeOldDsse } from "../formats/dsse.ts";
import type { LogEntry } from "../formats/log_entry.ts";
import { parseStrictJson } from "../formats/strict_json.ts";
import { redactUrl } from "../io/http.ts";
import { parseUtf8, utf8 } from "../model/bytes.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import { checkLogBody, type LoggedSignature } from "../verify/log_entry.ts";
import type { UnloggedSignature } from "../verify/unlogged.ts";
import { readAnswer } from "./_log_answer.ts";
import { dsseEntry, hashedRekord, intotoEntry, type ProposedEntry } from "./_proposed_entry.ts";
import { parseEntries } from "./_rekor_v1.ts";
import {
  callService,
  describeReply,
  type ServiceCall,
  type ServiceContext,
  serviceUrl,
} from "./service.ts";

/** An entry in each of as many shards and trees; public Rekor has two. */
const MAX_ENTRIES = 32;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const WHAT = "look up the signature";

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
  const call: ServiceCall = {
    service: "rekor",
    method: "POST",
    url: serviceUrl(url, "/api/v1/log/entries/retrieve"),
    what: WHAT,
    headers: { "content-type": "application/json", accept: "application/json" },
    body: utf8(JSON.stringify({ entries })),
    limitBytes: MAX_ANSWER_BYTES,
  };
  const reply = await callService(call, context);
  if (reply.status !== 200) {
    throw new CosignError(
      "LOG_REFUSED",
      `Cannot ${WHAT} in "${redactUrl(call.url)}": the log answers ${describeReply(reply)}`,
      { hint: "Check --rekor-url: only logs of Rekor v1 can be searched" },
    );
  }
  const found = readAnswer(call, () => {
    const list = parseStrictJson(parseUtf8(reply.body));
    if (!Array.isArray(list)) throw new SyntaxError("it is no list");
    if (list.length > MAX_ENTRIES) throw new SyntaxError(`it has ${list.length} entries`);
    return list.flatMap(parseEntries);
  });
  return found
    .filter((entry) => isAbout(entry, unlogged.about))
    .map((entry) => ({ ...entry, lookedUp: true }));
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
