import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";

/**
 * What tells a file from another one in its place, or from itself before a change: nobody can set the
 * time of its last change.
 *
 * @throws {Error} Node's own.
 */
export async function fileIdentity(path: string): Promise<string> {
  const { dev, ino, size, ctimeNs } = await stat(path, { bigint: true });
  return `${dev}:${ino}:${size}:${ctimeNs}`;
}

/** The SHA-256 of a file, in hexadecimal digits. @throws {Error} Node's own. */
export async function fileSha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest("hex");
}

const WRITABLE_BY_ANYBODY = 0o002;

/** Whether every user of the machine can write to a file. @throws {Error} Node's own. */
export async function isWritableByAnybody(path: string): Promise<boolean> {
  const { mode } = await stat(path);
  return process.platform !== "win32" && (mode & WRITABLE_BY_ANYBODY) !== 0;
}
