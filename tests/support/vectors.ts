import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";

/** A command that a real cosign was given, and what it answered. */
export interface CommandRecord {
  readonly id: string;
  /** The version of cosign: `1.13.6`, `2.6.4` or `3.1.2`. */
  readonly cosign: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly note?: string;
}

/** The sets that are packed under `tests/vectors/data/`. */
export type VectorSet = "cosign" | "keyless" | "inspect";

type Packed = Readonly<Record<string, string | { readonly base64: string }>>;

const opened = new Map<VectorSet, Packed>();

/** The paths of all files of a set that begin with `prefix` (`files/`, `repos/NAME/`, `saved/NAME/`). */
export function listVectors(prefix = "", set: VectorSet = "cosign"): readonly string[] {
  return Object.keys(openSet(set)).filter((path) => path.startsWith(prefix));
}

/** The bytes of one file (`files/key-v3.pub`). @throws {RangeError} when the set has no such file. */
export function readVector(path: string, set: VectorSet = "cosign"): Uint8Array {
  const content = openSet(set)[path];
  if (content === undefined) throw new RangeError(`No vector "${path}"`);
  return Buffer.from(
    typeof content === "string" ? content : content.base64,
    typeof content === "string" ? "utf8" : "base64",
  );
}

/** The text of one file. */
export function readVectorText(path: string, set: VectorSet = "cosign"): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(readVector(path, set));
}

/** All records of real cosigns without a transparency log, in the order they were run. */
export function readCommands(): readonly CommandRecord[] {
  return JSON.parse(readVectorText("commands.json"));
}

/** Writes the files below `prefix` into `folder`, without the prefix in their names. */
export function unpackVectors(prefix: string, folder: string, set: VectorSet = "cosign"): void {
  for (const path of listVectors(prefix, set)) {
    const target = join(folder, path.slice(prefix.length));
    mkdirSync(dirname(target), { recursive: true });
    // Key files are refused nowhere for their mode, but ours are written as a careful user has them.
    writeFileSync(target, readVector(path, set), { mode: target.endsWith(".key") ? 0o600 : 0o644 });
  }
}

function openSet(set: VectorSet): Packed {
  const known = opened.get(set);
  if (known !== undefined) return known;
  const path = join(dirname(import.meta.dir), "vectors", "data", `${set}.json.br`);
  const packed: Packed = JSON.parse(brotliDecompressSync(readFileSync(path)).toString("utf8"));
  opened.set(set, packed);
  return packed;
}
