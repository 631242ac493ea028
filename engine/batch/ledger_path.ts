import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { Environment } from "../io/env.ts";
import { userDirectory } from "../io/user_directory.ts";
import { CosignError, describeError } from "../model/errors.ts";

/**
 * Where the ledger of a manifest lies when nobody says: one file per manifest path in the XDG state
 * directory, which is made.
 *
 * @param manifest Its absolute path.
 * @throws {CosignError} `LEDGER_UNREADABLE` when there is no home, or it cannot be written.
 */
export function defaultLedgerPath(manifest: string, env: Environment): string {
  const hint = "Name a file by --ledger";
  const state = userDirectory(env, "state");
  if (state === undefined) {
    throw new CosignError("LEDGER_UNREADABLE", "Cannot find a place for the ledger: no home", {
      hint,
    });
  }
  const directory = join(state, "cosign-ts", "ledgers");
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    const detail = describeError(error);
    throw new CosignError("LEDGER_UNREADABLE", `Cannot make directory "${directory}": ${detail}`, {
      hint,
      cause: error,
    });
  }
  const hash = createHash("sha256").update(manifest).digest("hex").slice(0, 12);
  const name = basename(manifest)
    .replaceAll(/[^A-Za-z0-9._-]/g, "_")
    .slice(0, 64);
  return join(directory, `${name}-${hash}.sqlite`);
}
