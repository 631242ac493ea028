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
  };
  /** The environment variables that it may see beside those every program needs; `*` for any end of a name. */
  readonly env?: readonly string[] | undefined;
}

/**
 * What a plugin says of itself: an entry of `plugins/manifest.json`. `engine` is part of the engine;
 * `builtin` a folder of `plugins/`; `planned` has no code yet, so that its name is known and taken;
 * `process` is somebody else's program.
 */
export type PluginDeclaration = DeclarationBase &
  (
    | { readonly source: "engine" | "builtin" | "planned" }
    | {
        readonly source: "process";
        readonly command: readonly string[];
        /** Of the program's file, in hexadecimal digits. */
        readonly sha256?: string | undefined;
      }
  );

const name = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "is no plugin name"));
const scheme = v.pipe(v.string(), v.regex(/^[a-z][a-z0-9+.-]{0,31}$/, "is no scheme or kind"));
const variable = v.pipe(v.string(), v.regex(/^(?:\w+\*?|\*)$/, "is no name of a variable"));
const common = {
  name,
  api: v.literal(1),
  brief: v.optional(v.string()),
  provides: v.strictObject({
    key: v.optional(v.array(scheme)),
    artifact: v.optional(v.array(scheme)),
  }),
  env: v.optional(v.array(variable)),
};

const declaration: v.GenericSchema<unknown, PluginDeclaration> = v.variant("source", [
  v.strictObject({ ...common, source: v.picklist(["engine", "builtin", "planned"]) }),
  v.strictObject({
    ...common,
    source: v.literal("process"),
    command: v.pipe(v.array(v.string()), v.minLength(1)),
    sha256: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "is no SHA-256"))),
  }),
]);

/**
 * Checks a list of plugins.
 *
 * @param value Parsed JSON: an array of declarations.
 * @throws {CosignError} `PLUGIN_MANIFEST_INVALID`.
 */
export function parsePluginManifest(value: unknown): readonly PluginDeclaration[] {
  const result = v.safeParse(v.array(declaration), value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? "the whole";
  throw new CosignError(
    "PLUGIN_MANIFEST_INVALID",
    `Cannot read the list of plugins: ${path}: ${issue.message}`,
  );
}
