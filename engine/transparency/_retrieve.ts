import type { LogEntry } from "../formats/log_entry.ts";
import { parseStrictJson } from "../formats/strict_json.ts";
import { redactUrl } from "../io/http.ts";
import { parseUtf8, utf8 } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import { readAnswer } from "./_log_answer.ts";
import { parseEntries } from "./_rekor_v1.ts";
import {
  callService,
  describeReply,
  type ServiceCall,
  type ServiceContext,
  serviceUrl,
} from "./service.ts";

/** An entry in each of as many shards; public Rekor has two. */
const MAX_ENTRIES = 32;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const WHAT = "look up the signature";

/**
 * Asks a log of Rekor v1 for entries (rekor, `openapi.yaml`, `SearchLogQuery`). They may be about anything.
 *
 * @throws {CosignError} as {@link search}; `SERVICE_PROTOCOL` also for more than 32 entries.
 */
export async function retrieveEntries(
  query: object,
  url: string,
  context: ServiceContext,
): Promise<readonly LogEntry[]> {
  return await search("/api/v1/log/entries/retrieve", query, url, context, (answer) => {
    if (!Array.isArray(answer)) throw new SyntaxError("it is no list");
    if (answer.length > MAX_ENTRIES) throw new SyntaxError(`it has ${answer.length} entries`);
    return answer.flatMap(parseEntries);
  });
}

/**
 * Asks a log of Rekor v1.
 *
 * @param parse Reads the answer's JSON; may throw a SyntaxError.
 * @throws {CosignError} `LOG_REFUSED` when the log does not take the question, `SERVICE_PROTOCOL` when its
 * answer is none, and as {@link callService}.
 */
export async function search<T>(
  path: string,
  query: object,
  url: string,
  context: ServiceContext,
  parse: (answer: unknown) => T,
): Promise<T> {
  const call: ServiceCall = {
    service: "rekor",
    method: "POST",
    url: serviceUrl(url, path),
    what: WHAT,
    headers: { "content-type": "application/json", accept: "application/json" },
    body: utf8(JSON.stringify(query)),
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
  return readAnswer(call, () => parse(parseStrictJson(parseUtf8(reply.body))));
}
