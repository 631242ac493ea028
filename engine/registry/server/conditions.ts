import type { Digest } from "../../model/digest.ts";
import { Refusal } from "./refusal.ts";

/** The entity tag of what has a digest: the digest itself, as a strong tag (RFC 9110 §8.8.3). */
export function entityTag(digest: Digest): string {
  return `"${digest}"`;
}

/** Whether `If-None-Match` says that the client has it already (RFC 9110 §13.1.2). */
export function isKnown(ifNoneMatch: string | undefined, digest: Digest): boolean {
  return ifNoneMatch !== undefined && matches(ifNoneMatch, digest);
}

/**
 * Checks what a client demands of what is there before it is changed (RFC 9110 §13.1.1, §13.1.2).
 *
 * @param current The digest of what is there.
 * @throws {Refusal} 412.
 */
export function checkPreconditions(
  headers: Readonly<Record<string, string | undefined>>,
  current: Digest | undefined,
): void {
  const ifMatch = headers["if-match"];
  if (ifMatch !== undefined && (current === undefined || !matches(ifMatch, current))) {
    throw preconditionFailed(current, "If-Match");
  }
  const ifNoneMatch = headers["if-none-match"];
  if (ifNoneMatch !== undefined && current !== undefined && matches(ifNoneMatch, current)) {
    throw preconditionFailed(current, "If-None-Match");
  }
}

function matches(condition: string, digest: Digest): boolean {
  return condition
    .split(",")
    .map((tag) => tag.trim().replace(/^W\//, ""))
    .some((tag) => tag === "*" || tag === entityTag(digest));
}

function preconditionFailed(current: Digest | undefined, header: string): Refusal {
  return new Refusal(412, "MANIFEST_INVALID", `precondition ${header} does not hold`, {
    detail: { current: current ?? null },
    ...(current !== undefined && { headers: { ETag: entityTag(current) } }),
  });
}
