import { leafHash } from "../crypto/merkle.ts";
import { isObject } from "../formats/go_json.ts";
import type { LogEntry } from "../formats/log_entry.ts";
import { parseApiEntry } from "../formats/log_entry_json.ts";
import { parseStrictJson } from "../formats/strict_json.ts";
import { retry } from "../io/retry.ts";
import { parseUtf8, utf8 } from "../model/bytes.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import { type LoggedEntry, readAnswer, refused, UPLOAD } from "./_log_answer.ts";
import type { ProposedEntry } from "./_proposed_entry.ts";
import {
  callService,
  protocolError,
  type ServiceCall,
  type ServiceContext,
  type ServiceReply,
  serviceUrl,
} from "./service.ts";

/** What the log's own test deployments take; the public one's proxies let less pass. */
const MAX_REQUEST_BYTES = 32 * 1024 * 1024;
/** From here on, a log that just hangs up may do so for the size. */
const LARGE_REQUEST_BYTES = 1024 * 1024;
/** Entries are small: only `intoto` answers may have the attestation with them. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const ENTRIES = "/api/v1/log/entries";
/** A leaf's hash, or the tree's id before it. */
const UUID = /\b(?:[0-9a-f]{16})?[0-9a-f]{64}\b/i;
const TOO_LARGE_HINT =
  "A log of Rekor v2 takes the hash alone (hashedrekord): name one with --signing-config. Or sign without a log: --tlog-upload=false";

/**
 * Writes an entry into a log of Rekor v1.
 *
 * @throws {CosignError} `LOG_REFUSED`, `LIMIT_EXCEEDED`, `SERVICE_PROTOCOL`, and as {@link callService}.
 */
export async function addToV1(
  proposed: ProposedEntry,
  url: string,
  context: ServiceContext,
): Promise<LoggedEntry> {
  const call = createCall(proposed, url);
  const reply = await create(call, context);
  if (reply.status === 409) {
    return { entry: await readExisting(reply, url, context), wasThere: true };
  }
  if (reply.status !== 201 && reply.status !== 200) throw refused(reply, call);
  return { entry: parseOne(call, reply), wasThere: false };
}

function createCall(proposed: ProposedEntry, url: string): ServiceCall {
  const body = utf8(JSON.stringify(proposed));
  if (body.length > MAX_REQUEST_BYTES) {
    throw new CosignError(
      "LIMIT_EXCEEDED",
      `Cannot ${UPLOAD}: it would have ${body.length} bytes, and logs take at most ${MAX_REQUEST_BYTES}`,
      { hint: TOO_LARGE_HINT },
    );
  }
  return {
    service: "rekor",
    method: "POST",
    url: serviceUrl(url, ENTRIES),
    what: UPLOAD,
    headers: { "content-type": "application/json", accept: "application/json" },
    body,
    limitBytes: MAX_ANSWER_BYTES,
  };
}

async function create(call: ServiceCall, context: ServiceContext): Promise<ServiceReply> {
  try {
    return await callService(call, context);
  } catch (error) {
    const sizeBytes = call.body?.length ?? 0;
    if (!hasCode(error, "SERVICE_UNAVAILABLE") || sizeBytes < LARGE_REQUEST_BYTES) throw error;
    throw new CosignError(
      "SERVICE_UNAVAILABLE",
      `${error.message}; the entry has ${sizeBytes} bytes, which may be too large for the log`,
      { cause: error, hint: TOO_LARGE_HINT },
    );
  }
}

/**
 * Gets the entry that stands in the way of ours. The answer names it by a URL: its UUID is taken, and
 * asked for where we have asked before. It may be too young to be there at once.
 */
async function readExisting(
  conflict: ServiceReply,
  url: string,
  context: ServiceContext,
): Promise<LogEntry> {
  const [uuid] =
    UUID.exec(conflict.headers.get("location")?.split("/").at(-1) ?? "") ??
    UUID.exec(new TextDecoder().decode(conflict.body)) ??
    [];
  if (uuid === undefined) {
    throw protocolError(
      { what: UPLOAD, url },
      "it has the entry already, and does not say which it is",
    );
  }
  const call: ServiceCall = {
    service: "rekor",
    method: "GET",
    url: serviceUrl(url, `${ENTRIES}/${uuid}`),
    what: UPLOAD,
    headers: { accept: "application/json" },
    limitBytes: MAX_ANSWER_BYTES,
  };
  const { signal } = context;
  const reply = await retry(
    async () => {
      const answer = await callService(call, context);
      return answer.status === 404
        ? { transient: protocolError(call, "it has no entry of the UUID that it names") }
        : { value: answer };
    },
    { ...context.retry, ...(signal === undefined ? {} : { signal }) },
  );
  if (reply.status !== 200) throw refused(reply, call);
  return parseOne(call, reply);
}

/** The entry of an answer that has one, under its own UUID, with the log's promise. */
function parseOne(call: ServiceCall, { body }: ServiceReply): LogEntry {
  return readAnswer(call, () => {
    const [entry, ...more] = parseEntries(parseStrictJson(parseUtf8(body)));
    if (entry === undefined || more.length > 0) throw new SyntaxError("it has not one entry");
    if (entry.promise === undefined) throw new SyntaxError("it has no signed entry timestamp");
    return entry;
  });
}

/**
 * Reads the entries of an object that has them by their UUIDs, which end with the leaf's hash.
 *
 * @throws {SyntaxError} also when an entry stands under the UUID of another.
 */
export function parseEntries(value: unknown): readonly LogEntry[] {
  if (!isObject(value)) throw new SyntaxError("it is no JSON object");
  return Object.entries(value).map(([uuid, content]) => {
    const entry = parseApiEntry(content);
    if (leafHash(entry.body).toHex() !== uuid.slice(-64).toLowerCase()) {
      throw new SyntaxError("the entry is another than its UUID says");
    }
    return entry;
  });
}
