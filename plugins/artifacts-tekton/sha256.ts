import { createHash } from "node:crypto";
import type { ComposedFile } from "../../engine/plugin_host/contract.ts";

/** `sha256:` and the hash in hex. */
export function digestText(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Files in the order of their digests: in whatever order they were named, the bundle is the same. */
export function filesInOrder(files: readonly ComposedFile[]): readonly ComposedFile[] {
  return files
    .map((file) => ({ file, digest: digestText(file.content) }))
    .sort((a, b) => (a.digest < b.digest ? -1 : Number(a.digest > b.digest)))
    .map(({ file }) => file);
}
