import type { Sbom } from "./sbom.ts";

/** Reads SPDX as tags and values (SPDX 2.3 §6 and §7). @throws {SyntaxError} when it is none. */
export function readTagValue(text: string): Sbom {
  // What stands between <text> and </text> are no tags, whatever it looks like.
  const tags = text.replace(/<text>[\s\S]*?(?:<\/text>|$)/g, "");
  const [, specVersion] = /^SPDXVersion:[ \t]*(SPDX-\S+)[ \t]*\r?$/m.exec(tags) ?? [];
  if (specVersion === undefined) throw new SyntaxError("It has no SPDXVersion");
  const [, name] = /^DocumentName:[ \t]*(\S[^\r\n]*)/m.exec(tags) ?? [];
  const components = [...tags.matchAll(/^PackageName:/gm)].length;
  return { format: "spdx", specVersion, ...(name === undefined ? {} : { name }), components };
}

/** An element's beginning or end: its name without a prefix. */
interface Tag {
  readonly name: string;
  readonly attributes: string;
  readonly kind: "begin" | "end" | "empty";
  /** The text behind it. */
  readonly text: string;
}

const MAX_DEPTH = 200;
const MAX_TAG_CHARACTERS = 64 * 1024;
/** What is passed over, by its beginning and end. */
const PASSED = [
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
  ["<?", "?>"],
] as const;

/**
 * Reads CycloneDX or SPDX in XML, as far as it is needed: elements by their places, no entities.
 *
 * @throws {SyntaxError} when it is none, or has a document type: that could say anything of what follows.
 */
export function readXml(text: string): Sbom {
  if (/<!DOCTYPE/i.test(text)) throw new SyntaxError("It has a document type");
  const path: string[] = [];
  let root: Tag | undefined;
  let [components, name, spdxVersion]: [number, string?, string?] = [0];
  for (const tag of tagsOf(text)) {
    if (tag.kind === "end") {
      if (path.pop() !== tag.name) throw new SyntaxError(`</${tag.name}> ends what is not open`);
      continue;
    }
    if (path.length === 0 && root !== undefined) throw new SyntaxError("It has two roots");
    root ??= tag;
    path.push(tag.name);
    if (path.length > MAX_DEPTH) throw new SyntaxError("It is nested too deeply");
    const place = path.slice(1).join("/");
    if (place === "components/component" || place === "packages") components += 1;
    if (place === "metadata/component/name" || place === "name") name ??= tag.text.trim();
    if (place === "spdxVersion") spdxVersion ??= tag.text.trim();
    if (tag.kind === "empty") path.pop();
  }
  if (root === undefined || path.length > 0) throw new SyntaxError("It is no XML document");
  const shared = { ...(name === undefined || name === "" ? {} : { name }), components };
  const [, cyclonedx] =
    /\sxmlns(?::[\w.-]+)?=["']http:\/\/cyclonedx\.org\/schema\/bom\/([\d.]+)["']/.exec(
      root.attributes,
    ) ?? [];
  if (root.name === "bom" && cyclonedx !== undefined) {
    return { format: "cyclonedx", specVersion: cyclonedx, ...shared };
  }
  if (root.name === "Document" && spdxVersion !== undefined) {
    return { format: "spdx", specVersion: spdxVersion, ...shared };
  }
  throw new SyntaxError("It is neither SPDX nor CycloneDX");
}

/** By a walk, not by one pattern: what is cut off or nested must not take longer than what is whole. */
function* tagsOf(text: string): Generator<Tag, void, undefined> {
  for (let at = text.indexOf("<"); at >= 0; ) {
    const passed = PASSED.find(([begin]) => text.startsWith(begin, at));
    const end = passed === undefined ? endOfTag(text, at) : text.indexOf(passed[1], at);
    if (end < 0) throw new SyntaxError("It is cut off");
    const next = text.indexOf("<", end + 1);
    if (passed === undefined) {
      const tag = text.slice(at + 1, end);
      const [, slash, name, attributes = ""] =
        /^(\/?)(?:[\w.-]+:)?([\w.-]+)([\s/][\s\S]*)?$/.exec(tag) ?? [];
      if (name === undefined) throw new SyntaxError("A tag has no name");
      const kind = slash === "/" ? "end" : tag.endsWith("/") ? "empty" : "begin";
      yield { name, attributes, kind, text: text.slice(end + 1, next < 0 ? undefined : next) };
    }
    at = next;
  }
}

function endOfTag(text: string, from: number): number {
  let quote = "";
  for (let at = from; at < text.length && at < from + MAX_TAG_CHARACTERS; at++) {
    const character = text.charAt(at);
    if (quote !== "") quote = character === quote ? "" : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (character === ">") return at;
  }
  return -1;
}
