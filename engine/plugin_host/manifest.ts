import * as v from "valibot";
import { CosignError } from "../model/errors.ts";

interface DeclarationBase {
  readonly name: string;
  /** The version of the contract that it is written for. */
  readonly api: 1;
  /** What it is about, in a few words. */
  readonly brief?: string | undefined;
  readonly provides: {
    /** Schemes of key URIs. */
    readonly key?: readonly string[] | undefined;
    /** Kinds of artifacts. */
    readonly artifact?: readonly string[] | undefined;
    /** Names of registries that it can log in to; `*` stands for one label: `*.gcr.io`. */
    readonly registry?: readonly string[] | undefined;
  };
  /** The environment variables that it may see beside those every program needs; `*` for any end of a name. */
  readonly env?: readonly string[] | undefined;
}

/**
 * What a plugin says of itself: an entry of `plugins/manifest.json`, of a file of the user's, or of a batch
 * manifest. `engine` is part of the engine; `builtin` a folder of `plugins/`; `planned` has no code yet, so
 * that its name is known and taken; `process` is somebody else's program.
 */
export type PluginDeclaration = DeclarationBase &
  ({ readonly source: "engine" | "builtin" | "planned" } | ProcessSource);

/** Somebody else's program. */
export interface ProcessSource {
  readonly source: "process";
  /** The program, by its whole path or by a name that the PATH has; and arguments that stand before ours. */
  readonly command: readonly string[];
  /** Of the program's file, in hexadecimal digits. */
  readonly sha256?: string | undefined;
  /** Time for one call, in seconds. Default 60. */
  readonly timeoutSeconds?: number | undefined;
}

/** A declaration of the user's: only programs are his to declare. */
export type ProcessDeclaration = DeclarationBase & ProcessSource;

const MAX_TIMEOUT_SECONDS = 3600; // somebody may have to touch a token, and not for longer

const name = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "is no plugin name"));
const scheme = v.pipe(v.string(), v.regex(/^[a-z][a-z0-9+.-]{0,31}$/, "is no scheme or kind"));
const registry = v.pipe(
  v.string(),
  v.regex(
    /^(?:(?:\*|[a-z0-9-]+)\.)+[a-z0-9-]+\.[a-z]+$|^[a-z0-9-]+\.[a-z]+$/,
    "is no name of registries",
  ),
);
const variable = v.pipe(v.string(), v.regex(/^(?:\w+\*?|\*)$/, "is no name of a variable"));
const program = v.pipe(
  v.string(),
  v.regex(
    /^(?:[A-Za-z0-9][A-Za-z0-9._-]*|\/.*|[A-Za-z]:[\\/].*)$/,
    "is neither a whole path nor a name that the PATH could have",
  ),
);
const common = { name, api: v.literal(1), brief: v.optional(v.string()) };
const env = v.optional(v.array(variable));

const processDeclaration = v.strictObject({
  ...common,
  provides: v.strictObject({ key: v.pipe(v.array(scheme), v.minLength(1)) }),
  env,
  source: v.literal("process"),
  command: v.tupleWithRest([program], v.string()),
  sha256: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "is no SHA-256"))),
  timeoutSeconds: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(MAX_TIMEOUT_SECONDS))),
});

const declaration: v.GenericSchema<unknown, PluginDeclaration> = v.variant("source", [
  v.strictObject({
    ...common,
    provides: v.strictObject({
      key: v.optional(v.array(scheme)),
      artifact: v.optional(v.array(scheme)),
      registry: v.optional(v.array(registry)),
    }),
    env,
    source: v.picklist(["engine", "builtin", "planned"]),
  }),
  processDeclaration,
]);

/** The plugins of a user: a file of them, or a section of a batch manifest. */
export const USER_PLUGINS: v.GenericSchema<unknown, ProcessDeclaration[]> =
  v.array(processDeclaration);

/**
 * Checks the list of the plugins that come with this program.
 *
 * @param value Parsed JSON: an array of declarations.
 * @throws {CosignError} `PLUGIN_MANIFEST_INVALID`.
 */
export function parsePluginManifest(value: unknown): readonly PluginDeclaration[] {
  return parse(v.array(declaration), value, "the list of plugins");
}

/**
 * Checks a list of a user's plugins.
 *
 * @param where It stands, for messages.
 * @throws {CosignError} `PLUGIN_MANIFEST_INVALID`.
 */
export function parseUserPlugins(value: unknown, where: string): readonly ProcessDeclaration[] {
  return parse(USER_PLUGINS, value, where);
}

function parse<T>(schema: v.GenericSchema<unknown, T>, value: unknown, where: string): T {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? "the whole";
  throw new CosignError(
    "PLUGIN_MANIFEST_INVALID",
    `Cannot read ${where}: ${path}: ${issue.message}`,
    { hint: "The form of such lists: docs/plugins.schema.json" },
  );
}
