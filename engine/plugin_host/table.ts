import { CosignError } from "../model/errors.ts";
import type { ArtifactHandler, PluginModule } from "./contract.ts";
import type { PluginDeclaration } from "./manifest.ts";
import type { KeyBackend } from "./plugin_call.ts";

/** Where the code of the built-in plugins is, by their names. */
export type PluginLinks = Readonly<Record<string, () => Promise<PluginModule>>>;

/** What a plugin can provide. */
export type Provision = "key" | "artifact";

/** One scheme or kind, and who has it. */
export interface PluginEntry {
  readonly provides: Provision;
  /** The scheme of key URIs, or the kind of artifacts. */
  readonly name: string;
  readonly plugin: string;
  readonly source: PluginDeclaration["source"];
  /** Whether this version can do it. */
  readonly available: boolean;
}

/** Answers "which of many?": the plugin of a key scheme, the handler of a kind of artifact. */
export interface PluginTable {
  readonly entries: readonly PluginEntry[];
  /**
   * Who has the keys of a scheme; nothing for the schemes that the engine itself reads.
   *
   * @throws {CosignError} `PLUGIN_UNAVAILABLE`, `PLUGIN_UNKNOWN`.
   */
  keyBackend(scheme: string): Promise<KeyBackend | undefined>;
  /**
   * The handler of a kind; nothing for the kinds that the engine itself handles.
   *
   * @throws {CosignError} `PLUGIN_UNAVAILABLE`, `PLUGIN_UNKNOWN`.
   */
  artifactHandler(kind: string): Promise<ArtifactHandler | undefined>;
}

/** What the engine has code for; the rest of what it declares comes with a later version. */
const ENGINE_HAS: Readonly<Record<Provision, ReadonlySet<string>>> = {
  key: new Set(["file", "env", "http", "https"]),
  artifact: new Set(["image", "index"]),
};

/**
 * Makes the table of all plugins.
 *
 * @param declarations What is declared, the engine's own first.
 * @throws {CosignError} `PLUGIN_MANIFEST_INVALID` when two claim the same scheme or kind.
 */
export function makePluginTable(
  declarations: readonly PluginDeclaration[],
  links: PluginLinks,
): PluginTable {
  const entries = declarations.flatMap((declaration) => [
    ...entriesOf(declaration, "key", links),
    ...entriesOf(declaration, "artifact", links),
  ]);
  const byName = new Map<string, PluginEntry>();
  for (const entry of entries) {
    const other = byName.get(`${entry.provides}:${entry.name}`);
    if (other !== undefined) {
      throw new CosignError(
        "PLUGIN_MANIFEST_INVALID",
        `Cannot use plugin "${entry.plugin}": "${entry.name}" is claimed by "${other.plugin}" already`,
      );
    }
    byName.set(`${entry.provides}:${entry.name}`, entry);
  }

  const find = (provides: Provision, name: string): PluginEntry => {
    const entry = byName.get(`${provides}:${name}`);
    if (entry === undefined) throw unknownPlugin(provides, name, entries);
    if (!entry.available) throw unavailablePlugin(entry);
    return entry;
  };
  const load = async ({
    source,
    plugin,
  }: Pick<PluginEntry, "source" | "plugin">): Promise<PluginModule | undefined> =>
    source === "engine" ? undefined : await links[plugin]?.();
  return {
    entries,
    keyBackend: async (scheme) => {
      const { plugin, source } = find("key", scheme);
      const module = await load({ plugin, source });
      if (module === undefined) return undefined;
      const { env = [] } = declarations.find(({ name }) => name === plugin) ?? {};
      return { plugin, env, provider: provided(module.keys, scheme) };
    },
    artifactHandler: async (kind) => {
      const module = await load(find("artifact", kind));
      return module === undefined ? undefined : provided(module.artifacts, kind);
    },
  };
}

function entriesOf(
  declaration: PluginDeclaration,
  provides: Provision,
  links: PluginLinks,
): readonly PluginEntry[] {
  const { name: plugin, source } = declaration;
  return (declaration.provides[provides] ?? []).map((name) => ({
    provides,
    name,
    plugin,
    source,
    available:
      source === "engine"
        ? ENGINE_HAS[provides].has(name)
        : source === "builtin" && Object.hasOwn(links, plugin),
  }));
}

function provided<T>(table: Readonly<Record<string, T>> | undefined, name: string): T {
  const found = table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
  if (found === undefined) {
    throw new TypeError(`The plugin that declares "${name}" has no code for it`);
  }
  return found;
}

function unavailablePlugin(entry: PluginEntry): CosignError {
  return new CosignError(
    "PLUGIN_UNAVAILABLE",
    `Cannot use ${nounOf(entry.provides)} "${entry.name}": plugin "${entry.plugin}" is not available in this version`,
  );
}

function unknownPlugin(
  provides: Provision,
  name: string,
  entries: readonly PluginEntry[],
): CosignError {
  const shown = JSON.stringify(name.slice(0, 80));
  const known = entries
    .filter((entry) => entry.provides === provides && entry.available)
    .map((entry) => entry.name);
  const plugin = /^[a-z0-9][a-z0-9-]*$/.test(name) ? `sigstore-kms-${name}` : "sigstore-kms-NAME";
  const hint =
    provides === "key"
      ? `Known here: ${known.join(", ")}; the program ${plugin} could provide it, but other people's plugins are not available in this version`
      : `Known here: ${known.join(", ")}`;
  return new CosignError("PLUGIN_UNKNOWN", `No plugin provides ${nounOf(provides)} ${shown}`, {
    hint,
  });
}

function nounOf(provides: Provision): string {
  return provides === "key" ? "key scheme" : "artifact kind";
}
