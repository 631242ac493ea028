import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, relative, resolve } from "node:path";

const root = dirname(import.meta.dir);
const FORBIDDEN_FOLDERS = ["utils", "common", "helpers", "services", "core"];
/** What is no source of the program, and lies in it all the same: data, and the texts of the examples. */
const EMBEDDED = /\.json$|^examples\/plugins\/texts\.ts$/;
const PLUGIN_DOOR = "engine/plugin_host/contract.ts";

interface Import {
  readonly from: string;
  /** A path of the project, or the specifier of a package. */
  readonly to: string;
  readonly local: boolean;
}

/** `| layer | `folder/` | …` of engine/README.md: the paper is what is tested against. */
function readLayers(): ReadonlyMap<string, number> {
  const table = readFileSync(join(root, "engine/README.md"), "utf8");
  const rows = table.matchAll(/^\|\s*(\d+)\s*\|\s*`(\w+)\/`\s*\|/gm);
  return new Map([...rows].map(([, layer, folder]) => [folder ?? "", Number(layer)]));
}

function listSources(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((path) => join(folder, path).replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".ts") || path.endsWith(".mjs"));
}

/** Every import of a file: static, type-only and dynamic, and what it exports from elsewhere. */
function readImports(from: string): readonly Import[] {
  const source = readSource(from);
  const found = [
    ...source.matchAll(/^(?:import|export)\s(?:[^"';]*?\sfrom\s)?["']([^"']+)["']/gm),
    ...source.matchAll(/\bimport\s*\(\s*["']([^"']+)["']/g),
    ...source.matchAll(/\bnew URL\(\s*["'](\.[^"']+\.ts)["']/g),
  ];
  return found.map(([, specifier = ""]) => {
    const local = specifier.startsWith(".");
    const to = local ? relative(root, resolve(root, dirname(from), specifier)) : specifier;
    return { from, to: to.replaceAll("\\", "/"), local };
  });
}

/** A source without its comments. */
function readSource(path: string): string {
  return readFileSync(join(root, path), "utf8")
    .replace(/^\s*\/\*[\s\S]*?\*\//gm, "")
    .replace(/(^|\s)\/\/.*$/gm, "");
}

function show(imports: readonly Import[]): readonly string[] {
  return imports.map(({ from, to }) => `${from} imports ${to}`);
}

const layers = readLayers();
const engine = listSources("engine");
const plugins = listSources("plugins");
const sources = [...engine, ...plugins, "main.ts"];
const imports = sources.flatMap(readImports);
const moduleOf = (path: string): string => path.split("/")[1] ?? "";
const isIn = (folder: string, path: string): boolean => path.startsWith(`${folder}/`);

describe("the architecture", () => {
  test("every folder of engine/ has its row in engine/README.md, and every row its folder", () => {
    const folders = readdirSync(join(root, "engine"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    expect(folders.sort()).toEqual([...layers.keys()].sort());
  });

  test("imports inside engine/ go down the layers, never sideways or up", () => {
    const wrong = imports.filter(({ from, to, local }) => {
      if (!local || !isIn("engine", from) || moduleOf(from) === moduleOf(to)) return false;
      const fromLayer = layers.get(moduleOf(from)) ?? -1;
      return !isIn("engine", to) || (layers.get(moduleOf(to)) ?? Infinity) >= fromLayer;
    });
    expect(show(wrong)).toEqual([]);
  });

  test("no file imports itself by way of others", () => {
    const graph = Map.groupBy(
      imports.filter(({ local }) => local),
      ({ from }) => from,
    );
    const state = new Map<string, "open" | "done">();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === "done") return;
      if (state.get(file) === "open") {
        cycles.push([...path.slice(path.indexOf(file)), file].join(" → "));
        return;
      }
      state.set(file, "open");
      for (const { to } of graph.get(file) ?? []) visit(to, [...path, file]);
      state.set(file, "done");
    };
    for (const file of sources) visit(file, []);
    expect(cycles).toEqual([]);
  });

  test("Bun. and Deno. stand only in engine/io/runtime_*.ts", () => {
    const wrong = sources.filter(
      (path) =>
        !/^engine\/io\/runtime_\w+\.ts$/.test(path) &&
        (/\b(Bun|Deno)\s*[.[]/.test(readSource(path).replace(/"[^"\n]*"|`[^`]*`/g, "")) ||
          /from "bun(:\w+)?"/.test(readSource(path))),
    );
    expect(wrong).toEqual([]);
  });

  test("plugins import the contract, packages and what lies in their own folder", () => {
    const wrong = imports.filter(
      ({ from, to, local }) =>
        isIn("plugins", from) &&
        local &&
        to !== PLUGIN_DOOR &&
        // The table that links them is no plugin.
        from !== "plugins/builtin.ts" &&
        !isIn(dirname(from), to),
    );
    expect(show(wrong)).toEqual([]);
  });

  test("only main.ts knows both the engine and the plugins", () => {
    const wrong = imports.filter(
      ({ from, to, local }) => local && isIn("engine", from) && isIn("plugins", to),
    );
    expect(show(wrong)).toEqual([]);
  });

  test("what is imported is there, by its full name, and named by a literal", () => {
    const missing = imports.filter(
      ({ from, to, local }) =>
        local && !sources.includes(to) && !(EMBEDDED.test(to) && isFile(to)) && from !== to,
    );
    expect(show(missing)).toEqual([]);
    const computed = sources.filter((path) =>
      /\b(import|require)\s*\(\s*(?!["'][^"']+["']\s*[,)])/.test(readSource(path)),
    );
    expect(computed).toEqual([]);
  });

  test("the packages that the program imports are its dependencies, built-ins are node:…", () => {
    const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const known = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
    const wrong = imports.filter(({ to, local }) => {
      if (local || (to.startsWith("node:") && isBuiltin(to))) return false;
      return !known.includes(
        to.startsWith("@") ? to.split("/").slice(0, 2).join("/") : packageOf(to),
      );
    });
    expect(show(wrong)).toEqual([]);
  });

  test("no folder is called what anything could lie in", () => {
    const folders = [...sources, ...listSources("tests"), ...listSources("bench")].flatMap((path) =>
      dirname(path).split("/"),
    );
    expect(folders.filter((folder) => FORBIDDEN_FOLDERS.includes(folder))).toEqual([]);
  });
});

function packageOf(specifier: string): string {
  return specifier.split("/")[0] ?? specifier;
}

function isFile(path: string): boolean {
  try {
    return readFileSync(join(root, path)).length > 0;
  } catch {
    return false;
  }
}
