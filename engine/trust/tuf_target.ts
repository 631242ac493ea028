import { createHash } from "node:crypto";
import type { TargetFile } from "@tufjs/models";

/** Why bytes are not those of a target (TUF §5.7.3); nothing when they are. */
export function targetMismatch(
  { length, hashes }: TargetFile,
  bytes: Uint8Array,
): string | undefined {
  if (bytes.length !== length) return `it has ${bytes.length} bytes, expected ${length}`;
  const known = Object.entries(hashes).filter(([name]) => name === "sha256" || name === "sha512");
  if (known.length === 0) return "its digest is neither SHA-256 nor SHA-512";
  for (const [name, wanted] of known) {
    const got = createHash(name).update(bytes).digest("hex");
    if (got !== wanted) return `its ${name} is ${got}, expected ${wanted}`;
  }
  return undefined;
}

/** Where a target lies below the mirror: under its digest in a consistent repository (TUF §6.2). */
export function targetPath({ path, hashes }: TargetFile, isConsistent: boolean): string {
  const slash = path.lastIndexOf("/") + 1;
  const digest = isConsistent ? `${hashes["sha256"] ?? hashes["sha512"]}.` : "";
  const parts = `${path.slice(0, slash)}${digest}${path.slice(slash)}`.split("/");
  return `targets/${parts.map(encodeURIComponent).join("/")}`;
}
