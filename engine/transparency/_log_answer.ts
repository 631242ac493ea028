import type { LogEntry } from "../formats/log_entry.ts";
import { redactUrl } from "../io/http.ts";
import { CosignError, describeError } from "../model/errors.ts";
import { describeReply, protocolError, type ServiceCall, type ServiceReply } from "./service.ts";

/** An entry that a log says it has. */
export interface LoggedEntry {
  readonly entry: LogEntry;
  /** Whether it was there before. */
  readonly wasThere: boolean;
}

/** What an entry is written for, behind "Cannot". */
export const UPLOAD = "get an entry";
/** Where logs have said too little of what they refuse. */
const HINTS: ReadonlyMap<number, string> = new Map([
  [404, "Check the log's URL and the version of its API: --rekor-url is one of Rekor v1"],
  [405, "The log is closed: take one that is open, with --signing-config"],
  [
    413,
    "The log takes no entry so large. A log of Rekor v2 takes the hash alone (hashedrekord): name one with --signing-config",
  ],
]);

/** What a log says when it does not take an entry. */
export function refused(reply: ServiceReply, { url }: ServiceCall): CosignError {
  const hint = HINTS.get(reply.status);
  return new CosignError(
    "LOG_REFUSED",
    `Cannot ${UPLOAD} from "${redactUrl(url)}": the log answers ${describeReply(reply)}`,
    hint === undefined ? {} : { hint },
  );
}

/** Reads an answer. @throws {CosignError} `SERVICE_PROTOCOL` where `read` throws a SyntaxError or finds no UTF-8. */
export function readAnswer<T>(call: Pick<ServiceCall, "what" | "url">, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause;
    throw protocolError(call, `its answer is no entry: ${describeError(cause)}`, cause);
  }
}
