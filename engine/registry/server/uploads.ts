import { type Digest, type DigestAlgorithm, digestAlgorithm } from "../../model/digest.ts";
import { mountBlob } from "./blob_files.ts";
import type { Call, Service } from "./call.ts";
import { parseChunkRange } from "./range.ts";
import { Refusal } from "./refusal.ts";
import type { Reply } from "./reply.ts";
import { isRepositoryName, parseWantedDigest } from "./route.ts";
import {
  appendToUpload,
  beginUpload,
  cancelUpload,
  finishUpload,
  forgetUpload,
  uploadedRange,
  uploadSize,
} from "./upload_files.ts";

/** `POST`: begins an upload, or mounts a blob (`mount`), or takes one whole (`digest`). */
export async function postUpload(service: Service, call: Call, repository: string): Promise<Reply> {
  const { storage } = service;
  const algorithm = parseAlgorithm(call.query.get("digest-algorithm"));
  const mount = call.query.get("mount");
  if (mount !== null && mountIfThere(service, call, repository, parseWantedDigest(mount))) {
    return created(repository, parseWantedDigest(mount));
  }
  const wanted = call.query.get("digest");
  if (mount !== null || wanted === null) {
    const id = beginUpload(storage, repository, algorithm);
    return progress(repository, id, 0, 202);
  }
  const digest = parseWantedDigest(wanted);
  const id = beginUpload(storage, repository, digestAlgorithm(digest));
  try {
    await appendToUpload(storage, repository, id, call.body);
    await finishUpload(storage, repository, id, digest);
  } catch (error) {
    forgetUpload(storage, repository, id); // nobody knows its id, so nobody can resume it
    throw error;
  }
  return created(repository, digest);
}

/** `GET`: how far an upload has come. */
export function getUpload(service: Service, repository: string, id: string): Reply {
  return progress(repository, id, uploadSize(service.storage, repository, id), 204);
}

/** `PATCH`: the next chunk, or with no `Content-Range` all that comes. */
export async function patchUpload(
  service: Service,
  call: Call,
  repository: string,
  id: string,
): Promise<Reply> {
  const sizeBytes = await append(service, call, repository, id);
  return progress(repository, id, sizeBytes, 202);
}

/** `PUT`: the last chunk, if any is left, and the digest of the whole. */
export async function putUpload(
  service: Service,
  call: Call,
  repository: string,
  id: string,
): Promise<Reply> {
  const digest = parseWantedDigest(call.query.get("digest") ?? "");
  await append(service, call, repository, id);
  await finishUpload(service.storage, repository, id, digest);
  return created(repository, digest);
}

/** `DELETE`: ends an upload. */
export function deleteUpload(service: Service, repository: string, id: string): Reply {
  cancelUpload(service.storage, repository, id);
  return { status: 204 };
}

async function append(
  service: Service,
  call: Call,
  repository: string,
  id: string,
): Promise<number> {
  const length = call.headers["content-length"];
  const header = call.headers["content-range"];
  // The usual closing PUT, after PATCHes.
  if (header === undefined && length === "0") {
    return uploadSize(service.storage, repository, id);
  }
  const range = header === undefined ? undefined : parseChunkRange(header);
  if (range !== undefined && length !== undefined && Number(length) !== range.sizeBytes) {
    throw new Refusal(
      400,
      "SIZE_INVALID",
      `Content-Range has ${range.sizeBytes} bytes, body ${length}`,
    );
  }
  return await appendToUpload(service.storage, repository, id, call.body, range?.startByte);
}

function mountIfThere(service: Service, call: Call, repository: string, digest: Digest): boolean {
  const from = call.query.get("from") ?? undefined;
  if (from !== undefined && !isRepositoryName(from)) return false;
  return mountBlob(service.storage, repository, digest, from);
}

function progress(repository: string, id: string, sizeBytes: number, status: number): Reply {
  return {
    status,
    headers: {
      Location: `/v2/${repository}/blobs/uploads/${id}`,
      Range: uploadedRange(sizeBytes),
      "Docker-Upload-UUID": id,
    },
  };
}

function created(repository: string, digest: Digest): Reply {
  return {
    status: 201,
    headers: {
      Location: `/v2/${repository}/blobs/${digest}`,
      "Docker-Content-Digest": digest,
    },
  };
}

function parseAlgorithm(text: string | null): DigestAlgorithm {
  if (text === null || text === "sha256") return "sha256";
  if (text === "sha512") return "sha512";
  throw new Refusal(400, "DIGEST_INVALID", "digest-algorithm is sha256 or sha512");
}
