import { isObject, parseStrictJson } from "../../engine/plugin_host/contract.ts";
import type { Sbom } from "./sbom.ts";

/** Reads an SBOM in JSON: SPDX 2, CycloneDX, or Syft's own. @throws {SyntaxError} when it is none of them. */
export function readJson(text: string): Sbom {
  const root = parseStrictJson(text);
  if (!isObject(root)) throw new SyntaxError("It is no JSON object");
  if (typeof root["spdxVersion"] === "string") {
    return {
      format: "spdx",
      specVersion: root["spdxVersion"],
      ...named(root["name"]),
      components: lengthOf(root["packages"]),
    };
  }
  if (root["bomFormat"] === "CycloneDX" && typeof root["specVersion"] === "string") {
    return {
      format: "cyclonedx",
      specVersion: root["specVersion"],
      ...named(inside(inside(root["metadata"], "component"), "name")),
      components: lengthOf(root["components"]),
    };
  }
  const version = inside(root["schema"], "version");
  if (typeof version === "string" && Array.isArray(root["artifacts"])) {
    const { source, artifacts } = root;
    const name = inside(source, "name") ?? inside(inside(source, "target"), "userInput");
    return { format: "syft", specVersion: version, ...named(name), components: artifacts.length };
  }
  throw new SyntaxError("It is neither SPDX, nor CycloneDX, nor Syft's");
}

function inside(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}

function named(name: unknown): { readonly name?: string } {
  return typeof name === "string" && name !== "" ? { name } : {};
}

function lengthOf(list: unknown): number {
  if (list === undefined) return 0;
  if (Array.isArray(list)) return list.length;
  throw new SyntaxError("Its components are no list");
}
