import { access } from "node:fs/promises";
import { writeWholeFile } from "../io/files.ts";
import { utf8 } from "../model/bytes.ts";
import type { KeyPairPem } from "./generate.ts";

/** How {@link writeKeyPair} tells and asks. */
export interface WriteKeyPairOptions {
  /** Told what was written, a line without its end. */
  readonly tell: (line: string) => void;
  /** Asked before a private key is replaced; throws to keep it. Absent: replaced without asking. */
  readonly confirm?: (warning: string) => Promise<void>;
}

const PRIVATE_MODE = 0o600;
const PUBLIC_MODE = 0o644;

/**
 * Writes `PREFIX.key` (0600) and `PREFIX.pub` (0644), each whole or not at all. A private key that
 * is there is only replaced when `confirm` lets it; the public one follows its private key.
 *
 * @throws {CosignError} `FILE_EXISTS` when somebody else took the name meanwhile; `FILE_WRITE`; what
 * `confirm` throws.
 */
export async function writeKeyPair(
  prefix: string,
  pair: KeyPairPem,
  { tell, confirm }: WriteKeyPairOptions,
): Promise<void> {
  const privatePath = `${prefix}.key`;
  const publicPath = `${prefix}.pub`;
  const replace = await exists(privatePath);
  if (replace) await confirm?.(`File ${privatePath} already exists. Overwrite?`);
  await writeWholeFile(privatePath, utf8(pair.privatePem), { mode: PRIVATE_MODE, replace });
  tell(`Private key written to ${privatePath}`);
  await writeWholeFile(publicPath, utf8(pair.publicPem), { mode: PUBLIC_MODE, replace: true });
  tell(`Public key written to ${publicPath}`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false; // where it cannot be seen, writing fails and says why
  }
}
