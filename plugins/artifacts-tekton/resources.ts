import { parseAllDocuments, type Tags } from "yaml";
import {
  encodeGoJson,
  isObject,
  orderKeys,
  parseStrictJson,
} from "../../engine/plugin_host/contract.ts";

const MAX_ALIASES = 1000;
const MAX_DEPTH = 200;
const GROUP = /^tekton\.dev\/(v\d+(?:(?:alpha|beta)\d+)?)$/;
/** What Tekton's own program takes into a bundle. */
const KINDS: ReadonlySet<string> = new Set([
  "ClusterTask",
  "CustomRun",
  "Pipeline",
  "PipelineRun",
  "Run",
  "StepAction",
  "Task",
  "TaskRun",
  "VerificationPolicy",
]);
/** A DNS subdomain, as names of Kubernetes are (RFC 1123). */
const NAME = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
/** An object of Tekton. */
export interface Resource {
  /** Without its group: `v1`. */
  readonly version: string;
  /** In small letters: `task`. */
  readonly kind: string;
  readonly name: string;
  /** As it lies in a bundle. */
  readonly json: string;
}

/**
 * Reads the objects of a file: one in JSON, which stays as it is, or any number of documents in YAML.
 *
 * @throws {SyntaxError} when one is no object of Tekton with a name.
 */
export function parseResources(text: string): readonly Resource[] {
  const trimmed = text.trim();
  if (isJson(trimmed)) return [resourceOf(parseStrictJson(trimmed), trimmed)];
  const documents = parseAllDocuments(text, {
    version: "1.1",
    merge: true,
    customTags: (tags: Tags) => tags.filter((tag) => !isTime(tag)),
  });
  return ("empty" in documents ? [] : documents).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw new SyntaxError(`${error.message.split("\n")[0]}`);
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return value === null ? [] : [resourceOf(value, encodeSorted(value, 0))];
  });
}

/** Reads the one object of a layer. @throws {SyntaxError} as `parseResources()`. */
export function parseResource(text: string): Resource {
  const [resource, ...others] = parseResources(text);
  if (resource !== undefined && others.length === 0) return resource;
  throw new SyntaxError("A layer does not hold one resource");
}

function isJson(text: string): boolean {
  if (!text.startsWith("{")) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // YAML has braces too
  }
}

function resourceOf(value: unknown, json: string): Resource {
  if (!isObject(value)) throw new SyntaxError("A document is no object");
  const { apiVersion, kind, metadata } = value;
  const [, version] = (typeof apiVersion === "string" && GROUP.exec(apiVersion)) || [];
  if (version === undefined || typeof kind !== "string" || !KINDS.has(kind)) {
    const what = JSON.stringify({ apiVersion, kind }).slice(0, 200);
    throw new SyntaxError(`A document is no object of Tekton: ${what}`);
  }
  const name = isObject(metadata) ? metadata["name"] : undefined;
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new SyntaxError(`A ${kind} has no name that Kubernetes takes`);
  }
  return { version, kind: kind.toLowerCase(), name, json };
}

/** What YAML read, as Go writes it: keys in their order, numbers among them too, which an object of ours has first. */
function encodeSorted(value: unknown, depth: number): string {
  if (depth > MAX_DEPTH) throw new SyntaxError("A document is nested too deeply");
  if (value === null || typeof value === "string" || typeof value === "boolean") {
    return encodeGoJson(value);
  }
  if (typeof value === "number") {
    const isExact = Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value);
    if (isExact) return encodeGoJson(value);
    throw new SyntaxError(`The number ${value} cannot be kept exactly: write it as text`);
  }
  if (Array.isArray(value)) {
    return `[${value.map((item) => encodeSorted(item, depth + 1)).join(",")}]`;
  }
  if (!isObject(value)) throw new SyntaxError("A document holds what JSON cannot hold");
  const members = orderKeys(Object.keys(value)).map(
    (key) => `${encodeGoJson(key)}:${encodeSorted(value[key], depth + 1)}`,
  );
  return `{${members.join(",")}}`;
}

/** What YAML 1.1 has and Kubernetes' reader does not know: it reads times, of a day too (`12:30`), as text. */
function isTime(tag: Tags[number]): boolean {
  return typeof tag !== "string" && (tag.tag.endsWith(":timestamp") || tag.format === "TIME");
}
