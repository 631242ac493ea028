import type { Digest } from "../model/digest.ts";

/** What lies beside an image under a tag of its own. */
export type Companion = "sig" | "att" | "sbom";

/** The tag at which a companion of `digest` lies: `[prefix]sha256-<hex>.sig`. */
export function companionTag(digest: Digest, companion: Companion, prefix: string): string {
  return `${prefix}${digest.replace(":", "-")}.${companion}`;
}
