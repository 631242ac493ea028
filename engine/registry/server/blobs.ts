import { openSync } from "node:fs";
import type { Digest } from "../../model/digest.ts";
import { blobPath, removeBlob } from "./blob_files.ts";
import type { Call, Service } from "./call.ts";
import { entityTag, isKnown } from "./conditions.ts";
import { parseRange } from "./range.ts";
import { Refusal, unknownRepository } from "./refusal.ts";
import type { Reply } from "./reply.ts";
import { errorCode, hasRepository, readIfThere, sizeIfThere } from "./storage.ts";

const MAX_WHOLE_BYTES = 256 * 1024; // up to here a stream costs more than it saves

/** `GET` and `HEAD` of a blob, whole or a range of it. */
export function getBlob(service: Service, call: Call, repository: string, digest: Digest): Reply {
  const path = blobPath(service.storage, repository, digest);
  const wholeBytes = sizeIfThere(path);
  if (wholeBytes === undefined) throw unknownBlob(service, repository, digest);
  const tag = entityTag(digest);
  const headers = {
    "Docker-Content-Digest": digest,
    ETag: tag,
    "Accept-Ranges": "bytes",
    "Content-Type": "application/octet-stream",
  };
  if (isKnown(call.headers["if-none-match"], digest)) return { status: 304, headers };
  if (call.method === "HEAD") {
    return { status: 200, headers: { ...headers, "Content-Length": String(wholeBytes) } };
  }
  const ifRange = call.headers["if-range"];
  const range =
    ifRange === undefined || ifRange === tag
      ? parseRange(call.headers["range"], wholeBytes)
      : undefined;
  const { startByte, sizeBytes } = range ?? { startByte: 0, sizeBytes: wholeBytes };
  const part = range && {
    "Content-Range": `bytes ${startByte}-${startByte + sizeBytes - 1}/${wholeBytes}`,
  };
  const status = range === undefined ? 200 : 206;
  if (wholeBytes > MAX_WHOLE_BYTES) {
    const descriptor = openBlob(service, repository, digest, path);
    return { status, headers: { ...headers, ...part }, body: { descriptor, startByte, sizeBytes } };
  }
  const content = readIfThere(path);
  if (content === undefined) throw unknownBlob(service, repository, digest);
  const body = content.subarray(startByte, startByte + sizeBytes);
  return { status, headers: { ...headers, ...part }, body };
}

/** `DELETE` of a blob. */
export function deleteBlob(service: Service, repository: string, digest: Digest): Reply {
  if (!removeBlob(service.storage, repository, digest)) {
    throw unknownBlob(service, repository, digest);
  }
  return { status: 202 };
}

// Opened before the answer begins: deleting it then does not break the answer off.
function openBlob(service: Service, repository: string, digest: Digest, path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw unknownBlob(service, repository, digest);
    throw error;
  }
}

function unknownBlob(service: Service, repository: string, digest: Digest): Refusal {
  return hasRepository(service.storage, repository)
    ? new Refusal(404, "BLOB_UNKNOWN", "blob unknown to registry", { detail: { digest } })
    : unknownRepository(repository);
}
