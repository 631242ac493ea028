import { findProgram, findPrograms } from "../io/find_program.ts";
import { CosignError } from "../model/errors.ts";
import type { ArtifactHandler, KeyProvider, PluginModule, RegistryLogin } from "./contract.ts";
import type { PluginDeclaration, ProcessDeclaration } from "./manifest.ts";
import type { KeyBackend } from "./plugin_call.ts";

/** Where the code of the built-in plugins is, by their names. */
export type PluginLinks = Readonly<Record<string, () => Promise<PluginModule>>>;

/** Plugins that a user declared. */
export interface UserPlugins {
  /** The file that declares them, for messages. */
  readonly where: string;
  readonly declarations: readonly ProcessDeclaration[];
}

/** Plugins that do not come with this program. */
export interface ForeignPlugins {
  readonly declared: readonly UserPlugins[];
  /** The `PATH`, where `sigstore-kms-SCHEME` is looked for when nobody declares a scheme. */
  readonly path: string;
}

/** What a plugin can provide. */
export type Provision = "key" | "artifact" | "registry";

/** Who logs in to a registry. */
export interface RegistryBackend {
  /** The plugin's name. */
  readonly plugin: string;
  readonly login: RegistryLogin;
  /** The variables that the plugin may see. */
  readonly env: readonly string[];
}

/** One scheme or kind, and who has it. */
export interface PluginEntry {
  readonly provides: Provision;
  /** The scheme of key URIs, the kind of artifacts, or the names of registries. */
  readonly name: string;
  readonly plugin: string;
  readonly source: PluginDeclaration["source"];
  /** The file that declares it; absent for what comes with this program. */
  readonly where?: string;
  /** The program and its first arguments, of a `process`. */
  readonly command?: readonly string[];
  /** Whether this version can do it. */
  readonly available: boolean;
}

/** Answers "which of many?": the plugin of a key scheme, the handler of a kind of artifact. */
export interface PluginTable {
  /** What is declared. */
  readonly entries: readonly PluginEntry[];
  /** The programs on the PATH that have the keys of schemes which nobody declares. */
  programs(): readonly PluginEntry[];
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
  /** The handlers of all kinds that plugins have: loads them all. */
  artifactHandlers(): Promise<readonly ArtifactHandler[]>;
  /**
   * Who logs in to a registry; nothing when it is none that anybody declares. Only its plugin is loaded.
   *
   * @param host Its name, with a port or without: compared whole, label by label.
   */
  registryLogin(host: string): Promise<RegistryBackend | undefined>;
}

/** Programs of plugins are called so, as cosign calls them: `sigstore-kms-SCHEME`. */
export const PROGRAM_PREFIX = "sigstore-kms-";

/** Schemes that may be looked for on the PATH: nothing that leads elsewhere. */
const SCHEME_ON_PATH = /^[a-z0-9][a-z0-9-]*$/;

/** What the engine has code for; the rest of what it declares comes with a later version. */
const ENGINE_HAS: Readonly<Record<Provision, ReadonlySet<string>>> = {
  key: new Set(["file", "env", "http", "https"]),
  artifact: new Set(["image", "index", "artifact", "blob", "in-toto"]),
  registry: new Set(),
};

/**
 * Makes the table of all plugins.
 *
 * @param declarations What comes with this program, the engine's own first.
 * @throws {CosignError} `PLUGIN_MANIFEST_INVALID` when two claim the same scheme or kind.
 */
export function makePluginTable(
  declarations: readonly PluginDeclaration[],
  links: PluginLinks,
  { declared, path }: ForeignPlugins = { declared: [], path: "" },
): PluginTable {
  const all = [
    ...declarations.map((declaration) => ({ declaration })),
    ...declared.flatMap(({ where, declarations: theirs }) =>
      theirs.map((declaration) => ({ where, declaration })),
    ),
  ];
  const byName = new Map<string, Claim>();
  for (const claim of all.flatMap((each) => claimsOf(each, links))) {
    const { provides, name } = claim.entry;
    const other = byName.get(`${provides}:${name}`);
    if (other !== undefined) throw claimedTwice(claim.entry, other.entry);
    byName.set(`${provides}:${name}`, claim);
  }
  const entries = [...byName.values()].map(({ entry }) => entry);

  const find = (provides: Provision, name: string): Claim => {
    const claim = byName.get(`${provides}:${name}`);
    if (claim === undefined) throw unknownPlugin(provides, name, entries);
    if (!claim.entry.available) throw unavailablePlugin(claim.entry);
    return claim;
  };
  const onPath = async (scheme: string): Promise<KeyBackend | undefined> => {
    if (byName.has(`key:${scheme}`) || !SCHEME_ON_PATH.test(scheme)) return undefined;
    const file = findProgram(`${PROGRAM_PREFIX}${scheme}`, path);
    return file === undefined ? undefined : await backendOnPath(scheme, file);
  };
  const artifactHandler = async (kind: string): Promise<ArtifactHandler | undefined> => {
    const { source, name: plugin } = find("artifact", kind).declaration;
    return source === "engine" ? undefined : provided((await links[plugin]?.())?.artifacts, kind);
  };
  return {
    entries,
    programs: () =>
      [...findPrograms(PROGRAM_PREFIX, path)]
        .filter(([scheme]) => SCHEME_ON_PATH.test(scheme) && !byName.has(`key:${scheme}`))
        .map(([scheme, file]) => entryOnPath(scheme, file)),
    keyBackend: async (scheme) => {
      const found = await onPath(scheme);
      if (found !== undefined) return found;
      const { declaration } = find("key", scheme);
      const { name: plugin, env = [] } = declaration;
      if (declaration.source === "engine") return undefined;
      const provider =
        declaration.source === "process"
          ? await programOf(declaration)
          : provided((await links[plugin]?.())?.keys, scheme);
      return { plugin, env, provider };
    },
    artifactHandler,
    artifactHandlers: async () => {
      const kinds = entries.filter((entry) => entry.provides === "artifact" && entry.available);
      const found = await Promise.all(kinds.map(({ name }) => artifactHandler(name)));
      return found.filter((handler) => handler !== undefined);
    },
    registryLogin: async (host) => {
      const claim = [...byName.values()].find(
        ({ entry }) =>
          entry.provides === "registry" && entry.available && isNamed(host, entry.name),
      );
      if (claim === undefined) return undefined;
      const { name: plugin, env = [] } = claim.declaration;
      const login = (await links[plugin]?.())?.registries;
      if (login !== undefined) return { plugin, env, login };
      throw new TypeError(`The plugin that declares "${claim.entry.name}" has no code for it`);
    },
  };
}

/** A scheme or kind, and the declaration that claims it. */
interface Claim {
  readonly entry: PluginEntry;
  readonly declaration: PluginDeclaration;
}

function claimsOf(
  { where, declaration }: { readonly where?: string; readonly declaration: PluginDeclaration },
  links: PluginLinks,
): readonly Claim[] {
  const { name: plugin, source, provides } = declaration;
  return (["key", "artifact", "registry"] as const).flatMap((kind) =>
    (provides[kind] ?? []).map((name) => ({
      declaration,
      entry: {
        provides: kind,
        name,
        plugin,
        source,
        ...(where === undefined ? {} : { where }),
        ...(declaration.source === "process" ? { command: declaration.command } : {}),
        available: isAvailable(declaration, kind, name, links),
      },
    })),
  );
}

function isAvailable(
  { source, name: plugin }: PluginDeclaration,
  provides: Provision,
  name: string,
  links: PluginLinks,
): boolean {
  switch (source) {
    case "engine":
      return ENGINE_HAS[provides].has(name);
    case "builtin":
      return Object.hasOwn(links, plugin);
    case "process":
      return true; // whether its program is there is seen when it is asked
    case "planned":
      return false;
  }
}

/** Whether `pattern` names a registry: whole, and `*` no more than one label of it. Names have no case. */
function isNamed(host: string, pattern: string): boolean {
  const labels = host.toLowerCase().replace(/:\d+$/, "").split(".");
  const wanted = pattern.split(".");
  return (
    labels.length === wanted.length &&
    wanted.every((label, at) =>
      label === "*" ? /^[a-z0-9_-]+$/.test(labels[at] ?? "") : label === labels[at],
    )
  );
}

async function programOf(declaration: ProcessDeclaration): Promise<KeyProvider> {
  const { processProvider } = await import("./process/provider.ts");
  const { name: plugin, command, sha256, timeoutSeconds } = declaration;
  const timeoutMs = timeoutSeconds === undefined ? undefined : timeoutSeconds * 1000;
  return processProvider({ plugin, command, sha256, timeoutMs });
}

function entryOnPath(scheme: string, file: string): PluginEntry {
  return {
    provides: "key",
    name: scheme,
    plugin: scheme,
    source: "process",
    command: [file],
    available: true,
  };
}

/** A program that nobody declared sees no more variables than it must. */
async function backendOnPath(scheme: string, file: string): Promise<KeyBackend> {
  const { processProvider } = await import("./process/provider.ts");
  const variables = `${scheme.toUpperCase().replaceAll("-", "_")}_*`;
  const hint = `It sees of the environment what every program needs, and ${variables}: what else it needs, declare in plugins.json under "env"`;
  const provider = processProvider({ plugin: scheme, command: [file], hint });
  return { plugin: scheme, env: [variables], provider };
}

function provided<T>(table: Readonly<Record<string, T>> | undefined, name: string): T {
  const found = table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
  if (found === undefined) {
    throw new TypeError(`The plugin that declares "${name}" has no code for it`);
  }
  return found;
}

function claimedTwice(entry: PluginEntry, other: PluginEntry): CosignError {
  const from = entry.where === undefined ? "" : ` of "${entry.where}"`;
  const whose = other.where === undefined ? "" : ` of "${other.where}"`;
  return new CosignError(
    "PLUGIN_MANIFEST_INVALID",
    `Cannot use plugin "${entry.plugin}"${from}: "${entry.name}" is claimed by "${other.plugin}"${whose} already`,
    other.where === undefined
      ? { hint: "What comes with this program cannot be replaced: choose another scheme" }
      : {},
  );
}

function unavailablePlugin(entry: PluginEntry): CosignError {
  return new CosignError(
    "PLUGIN_UNAVAILABLE",
    `Cannot use ${NOUNS[entry.provides]} "${entry.name}": plugin "${entry.plugin}" is not available in this version`,
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
    .map((entry) => entry.name)
    .join(", ");
  const program = `${PROGRAM_PREFIX}${SCHEME_ON_PATH.test(name) ? name : "NAME"}`;
  const hint =
    provides === "key"
      ? `Known here: ${known}; others come from a program ${program} on the PATH, or are declared by --plugins`
      : `Known here: ${known}`;
  // What cosign says of such a key stands behind it, for scripts that look for it.
  const said =
    provides === "key" ? `: loading URL: unrecognized scheme: ${name.slice(0, 80)}://` : "";
  return new CosignError(
    "PLUGIN_UNKNOWN",
    `No plugin provides ${NOUNS[provides]} ${shown}${said}`,
    { hint },
  );
}

const NOUNS: Readonly<Record<Provision, string>> = {
  key: "key scheme",
  artifact: "artifact kind",
  registry: "registry",
};
