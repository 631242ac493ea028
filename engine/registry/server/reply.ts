import { closeSync, createReadStream } from "node:fs";
import type { ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { utf8 } from "../../model/bytes.ts";

/** An answer of the registry. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Uint8Array | OpenFile;
  /** For the log only. */
  readonly cause?: string;
}

/** A part of a file, to be streamed. Whoever sends it closes it. */
export interface OpenFile {
  readonly descriptor: number;
  readonly startByte: number;
  readonly sizeBytes: number;
}

const READ_BYTES = 256 * 1024; // four times the default: half the calls for a large layer

/** Sends an answer, its body as fast as the client takes it. An open file is closed, come what may. */
export async function sendReply(reply: Reply, response: ServerResponse): Promise<void> {
  const { status, headers = {}, body } = reply;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.statusCode = status;
  if (body === undefined || body instanceof Uint8Array) {
    // A 204 has no length, and a 304 or the answer to HEAD has that of the body which it does not have.
    if (status !== 204 && headers["Content-Length"] === undefined) {
      response.setHeader("Content-Length", String(body?.length ?? 0));
    }
    response.end(body);
    return;
  }
  const { descriptor, startByte, sizeBytes } = body;
  if (response.destroyed) {
    closeSync(descriptor);
    return;
  }
  response.setHeader("Content-Length", String(sizeBytes));
  await pipeline(
    createReadStream("", {
      fd: descriptor,
      start: startByte,
      end: startByte + sizeBytes - 1,
      highWaterMark: READ_BYTES,
    }),
    response,
  );
}

/** An answer whose body is JSON. */
export function jsonReply(
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
  mediaType = "application/json",
): Reply {
  const body = utf8(JSON.stringify(value));
  return { status: 200, headers: { ...headers, "Content-Type": mediaType }, body };
}
