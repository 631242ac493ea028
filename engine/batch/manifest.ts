import { createHash } from "node:crypto";
import { isMap, isPair, isScalar, LineCounter, type Node, parseAllDocuments } from "yaml";
import { CosignError, describeError } from "../model/errors.ts";
import { type BatchManifest, checkManifest, type Problem } from "./schema.ts";

/** Some 150,000 targets. Its syntax tree stands in memory; longer lists go through standard input. */
export const MAX_BATCH_MANIFEST_BYTES: number = 16 * 1024 * 1024;
/** Enough for shared settings; a chain of aliases to aliases multiplies and is refused. */
const MAX_ALIASES = 100;
const MAX_SHOWN_PROBLEMS = 10;

/** A manifest that was read and checked. */
export interface ReadManifest {
  readonly manifest: BatchManifest;
  /** `sha256:` of its bytes. */
  readonly digest: string;
}

/**
 * Reads a batch manifest, YAML 1.2 or JSON. Unknown fields, duplicate keys, unknown YAML tags and
 * further documents are refused.
 *
 * @param name What the messages call it: its path.
 * @param check Finds what the schema cannot see; its problems are told with their place too.
 * @throws {CosignError} `BATCH_MANIFEST_INVALID` with line and column of each problem.
 */
export function readManifest(
  bytes: Uint8Array,
  name: string,
  check: (manifest: BatchManifest) => readonly Problem[] = () => [],
): ReadManifest {
  if (bytes.length > MAX_BATCH_MANIFEST_BYTES) {
    throw invalid(
      name,
      `it has ${bytes.length} bytes, at most ${MAX_BATCH_MANIFEST_BYTES} are read`,
    );
  }
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const source = decode(bytes, name);
  const quick = checkManifest(parsePlainJson(source));
  if ("version" in quick && check(quick).length === 0) return { manifest: quick, digest };
  const lines = new LineCounter();
  const { contents, value } = parseYaml(source, name, lines);
  const manifest = checkManifest(value);
  const problems = "version" in manifest ? check(manifest) : manifest;
  if (problems.length > 0 || !("version" in manifest)) {
    throw invalid(name, ...problems.map((problem) => tell(problem, contents, lines)));
  }
  return { manifest, digest };
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalid(name, "it is no UTF-8 text");
  }
}

/**
 * What a program wrote as JSON, read many times faster than YAML. Nothing where that could differ from
 * what YAML says: only text that is what `JSON.stringify` writes, but for spaces, has no key twice.
 */
function parsePlainJson(source: string): unknown {
  try {
    const value: unknown = JSON.parse(source);
    const dense = source.replaceAll(/("(?:[^"\\]|\\.)*")|\s+/g, "$1");
    return dense === JSON.stringify(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function parseYaml(
  source: string,
  name: string,
  lineCounter: LineCounter,
): { readonly contents: Node | null; readonly value: unknown } {
  try {
    const documents = parseAllDocuments(source, {
      lineCounter,
      prettyErrors: false,
      version: "1.2",
      stringKeys: true,
    });
    const [document, ...others] = Array.isArray(documents) ? documents : [];
    if (document === undefined || document.contents === null) throw invalid(name, "it is empty");
    const faults = [...document.errors, ...document.warnings];
    if (faults.length > 0) {
      throw invalid(
        name,
        ...faults.map((fault) => `${place(fault.pos[0], lineCounter)}: ${oneLine(fault.message)}`),
      );
    }
    if (others[0] !== undefined) {
      const at = place(others[0].range[0], lineCounter);
      throw invalid(name, `${at}: a second document begins, expected one`);
    }
    return { contents: document.contents, value: document.toJS({ maxAliasCount: MAX_ALIASES }) };
  } catch (error) {
    if (error instanceof CosignError) throw error;
    // Too deep a nesting, or aliases that multiply: the parser throws its own.
    throw invalid(name, oneLine(describeError(error)));
  }
}

function tell(problem: Problem, contents: Node | null, lines: LineCounter): string {
  const where = problem.path.reduce<string>(
    (path, key) =>
      typeof key === "number" ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`,
    "",
  );
  const at = place(offsetOf(problem, contents), lines);
  return where === "" ? `${at}: ${problem.message}` : `${at}: ${where}: ${problem.message}`;
}

/** The offset of what a problem is about, or of the nearest thing around it that stands in the text. */
function offsetOf(problem: Problem, contents: Node | null): number {
  let node: unknown = contents;
  let offset = contents?.range?.[0] ?? 0;
  for (const [i, key] of problem.path.entries()) {
    const pair = isMap(node)
      ? node.items.find((item) => isScalar(item.key) && item.key.value === key)
      : undefined;
    const isLast = i === problem.path.length - 1;
    if (isPair(pair) && isLast && problem.atName === true) return startOf(pair.key) ?? offset;
    node = pair !== undefined ? pair.value : itemOf(node, key);
    const start = startOf(node);
    if (start === undefined) return offset;
    offset = start;
  }
  return offset;
}

function itemOf(node: unknown, key: string | number): unknown {
  if (typeof node !== "object" || node === null || !("items" in node)) return undefined;
  return Array.isArray(node.items) && typeof key === "number" ? node.items[key] : undefined;
}

function startOf(node: unknown): number | undefined {
  if (typeof node !== "object" || node === null || !("range" in node)) return undefined;
  const range = node.range;
  return Array.isArray(range) && typeof range[0] === "number" ? range[0] : undefined;
}

function place(offset: number, lines: LineCounter): string {
  const { line, col } = lines.linePos(offset);
  return `line ${line}, column ${col}`;
}

function oneLine(message: string): string {
  return message.replaceAll(/\s+/g, " ").trim().slice(0, 300);
}

function invalid(name: string, ...all: readonly string[]): CosignError {
  const details = [...new Set(all)];
  const [only] = details;
  const shown = details.slice(0, MAX_SHOWN_PROBLEMS);
  const more = details.length - shown.length;
  const list = [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join("\n  ");
  return new CosignError(
    "BATCH_MANIFEST_INVALID",
    details.length === 1
      ? `Cannot read manifest "${name}": ${only}`
      : `Cannot read manifest "${name}": ${details.length} problems\n  ${list}`,
    { hint: "The form of manifests is printed by: cosign-ts batch schema" },
  );
}
