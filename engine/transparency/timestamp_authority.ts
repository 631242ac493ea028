import { createHash, randomBytes } from "node:crypto";
import { parseTimestamp, type Timestamp } from "../formats/timestamp.ts";
import { encodeTimestampRequest, timestampRefusal } from "../formats/timestamp_request.ts";
import { redactUrl } from "../io/http.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import { callService, describeReply, protocolError, type ServiceContext } from "./service.ts";

const MAX_RESPONSE_BYTES = 65_536; // with a chain of certificates: 6 KB
const NONCE_BYTES = 8;

/**
 * Lets an authority say when a message was there (RFC 3161). The answer is one to this very request;
 * whether the authority is to be trusted, `verify/timestamp.ts` says.
 *
 * @param message Whose SHA-256 is sent: the raw signature.
 * @param url With its path: `https://timestamp.example/api/v1/timestamp`.
 * @returns TimeStampResp, DER.
 * @throws {CosignError} `TIMESTAMP_REFUSED` when the authority makes none, `SERVICE_PROTOCOL` when its answer is
 * to something else, and as {@link callService}.
 */
export async function requestTimestamp(
  message: Uint8Array,
  url: string,
  context: ServiceContext,
): Promise<Uint8Array> {
  const digest = new Uint8Array(createHash("sha256").update(message).digest());
  const nonce = makeNonce();
  const call = {
    service: "timestamp",
    method: "POST",
    url,
    what: "get a timestamp",
    headers: {
      "content-type": "application/timestamp-query",
      accept: "application/timestamp-reply",
    },
    body: encodeTimestampRequest({ algorithm: "sha256", digest, nonce }),
    limitBytes: MAX_RESPONSE_BYTES,
  } as const;
  const reply = await callService(call, context);
  if (reply.status !== 200 && reply.status !== 201) throw refused(url, describeReply(reply));
  let timestamp: Timestamp;
  try {
    const why = timestampRefusal(reply.body);
    if (why !== undefined) throw refused(url, why);
    timestamp = parseTimestamp(reply.body);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw protocolError(call, `its answer is no timestamp: ${describeError(cause)}`, cause);
  }
  if (timestamp.nonce === undefined || !equalBytes(timestamp.nonce, nonce)) {
    throw protocolError(call, "its answer has another nonce than the request");
  }
  const { imprint } = timestamp;
  if (imprint.algorithm !== "sha256" || !equalBytes(imprint.digest, digest)) {
    throw protocolError(call, "its answer is about something else than was asked");
  }
  return reply.body;
}

/** A positive INTEGER of exactly so many bytes, so that it has one encoding only. */
function makeNonce(): Uint8Array {
  const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
  nonce[0] = ((nonce[0] ?? 0) & 0x3f) | 0x40;
  return nonce;
}

function refused(url: string, why: string): CosignError {
  return new CosignError(
    "TIMESTAMP_REFUSED",
    `Cannot get a timestamp from "${redactUrl(url)}": the authority refuses: ${why}`,
    { hint: "The URL must be the whole one, like https://HOST/api/v1/timestamp" },
  );
}
