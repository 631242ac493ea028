import { type Conventions, DEFAULT_MAX_ATTACHMENT_BYTES } from "../artifacts/conventions.ts";
import { type Environment, parseGoBool } from "../io/env.ts";
import { parseRepository, repositoryName } from "../model/reference.ts";
import type { Output } from "./command.ts";
import { usage } from "./parse.ts";

/**
 * Where and how companions of images are kept, from the flags and cosign's variables.
 *
 * @throws {CosignError} `USAGE`, `REFERENCE_INVALID` (of `COSIGN_REPOSITORY`).
 */
export function conventionsOf(
  flags: {
    readonly "attachment-tag-prefix": string | undefined;
    readonly "record-creation-timestamp"?: boolean;
  },
  env: Environment,
  now: Date,
  stderr: Output,
): Conventions {
  const repository = env["COSIGN_REPOSITORY"];
  const createdAt =
    flags["record-creation-timestamp"] === true ? creationTime(env, now) : undefined;
  return {
    tagPrefix: tagPrefix(flags["attachment-tag-prefix"] ?? ""),
    dockerMediaTypes: parseGoBool(env["COSIGN_DOCKER_MEDIA_TYPES"] ?? "") ?? false,
    maxAttachmentBytes: attachmentLimitOf(env, stderr),
    ...(repository === undefined || repository === ""
      ? {}
      : { targetRepository: repositoryName(parseRepository(repository)) }),
    ...(createdAt === undefined ? {} : { createdAt }),
  };
}

function tagPrefix(prefix: string): string {
  // The whole tag is this and at least `sha256-`, 64 digits and `.sig`.
  if (prefix === "" || /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,51}$/.test(prefix)) return prefix;
  throw usage(
    `invalid argument ${JSON.stringify(prefix.slice(0, 100))} for "--attachment-tag-prefix" flag: no tag can begin so`,
  );
}

/** RFC 3339 in seconds; `SOURCE_DATE_EPOCH` stands for now. */
function creationTime(env: Environment, now: Date): string {
  const epoch = env["SOURCE_DATE_EPOCH"];
  if (epoch === undefined || epoch === "") return rfc3339(now);
  const seconds = /^-?\d{1,12}$/.test(epoch) ? Number(epoch) : Number.NaN;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) {
    throw usage(
      `Cannot read SOURCE_DATE_EPOCH: ${JSON.stringify(epoch.slice(0, 50))} is no number of seconds`,
    );
  }
  return rfc3339(date);
}

function rfc3339(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

/** `COSIGN_MAX_ATTACHMENT_SIZE`, or its default, with a warning where it is no size. */
export function attachmentLimitOf(env: Environment, stderr: Output): number {
  const text = env["COSIGN_MAX_ATTACHMENT_SIZE"];
  if (text === undefined || text === "") return DEFAULT_MAX_ATTACHMENT_BYTES;
  const sizeBytes = parseSizeBytes(text);
  if (sizeBytes !== undefined) return sizeBytes;
  stderr.write(
    `WARNING: COSIGN_MAX_ATTACHMENT_SIZE is no size such as 45MiB; the default of ${DEFAULT_MAX_ATTACHMENT_BYTES} bytes holds\n`,
  );
  return DEFAULT_MAX_ATTACHMENT_BYTES;
}

/** Reads a size as go-humanize does: `5120`, `20K`, `45MiB`. @returns nothing when it is none. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d[\d,]*(?:\.\d+)?)\s*(?:([kmgtpe])(i?)b?|b)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, amount = "", prefix = "", binary = ""] = match;
  const exponent = prefix === "" ? 0 : "kmgtpe".indexOf(prefix.toLowerCase()) + 1;
  const size = Math.floor(
    Number(amount.replaceAll(",", "")) * (binary === "" ? 1000 : 1024) ** exponent,
  );
  return Number.isSafeInteger(size) ? size : undefined;
}
