import type { Environment } from "../io/env.ts";
import { CosignError } from "../model/errors.ts";
import type { PluginTable, UserPlugins } from "../plugin_host/table.ts";
import type { FlagTable, FlagValues } from "./flag.ts";
import { GLOBAL_FLAGS } from "./flags/global.ts";
import { refuseLater } from "./refuse_later.ts";
import type { ScaffoldLanguage } from "./scaffold.ts";

/** Where a command writes. */
export interface Output {
  write(text: string): void;
}

/** Where a command writes data: text, or bytes as they are. */
export interface DataOutput {
  write(data: string | Uint8Array): void;
}

/** What a command gets of the world. */
export interface World {
  /** What the program was called: `cosign-ts` when absent. */
  readonly program?: string;
  readonly env: Environment;
  /** What runs this program, for `version`. */
  readonly runtime: { readonly name: string; readonly platform: string };
  readonly stdout: DataOutput;
  readonly stderr: Output;
  /** The plugins; nothing of them is loaded before this is called. @param declared The user's own. */
  readonly plugins: (declared?: readonly UserPlugins[]) => Promise<PluginTable>;
  /** The texts of the example plugins, by what they are written in. */
  readonly examples: () => Promise<Readonly<Record<ScaffoldLanguage, string>>>;
}

/** One call of a command. */
export interface Invocation<F extends FlagTable> extends World {
  readonly flags: FlagValues<F & typeof GLOBAL_FLAGS>;
  /** The flags that were given, on the line or by the environment. */
  readonly given: ReadonlySet<string>;
  readonly args: readonly string[];
  readonly fail: Fail;
}

/**
 * Prints an error as every other is printed, and answers with its exit code. For commands that know
 * more than the error says; the others throw.
 *
 * @param legacyPath False: cosign has no number for this answer, since it did not come from the legacy
 * format.
 */
export type Fail = (error: unknown, legacyPath: boolean) => number;

/** Commands with the same first word. */
export interface CommandGroup {
  readonly brief: string;
  /** What cosign 3.1 says of commands that it will not have any more. */
  readonly deprecated?: string;
}

/** What a command does. It answers with the exit code, or throws what `run` prints. */
export type CommandFunction<F extends FlagTable> = (invocation: Invocation<F>) => Promise<number>;

/** How a command is called. */
export interface CommandSpec<F extends FlagTable> {
  readonly brief: string;
  /** What cosign 3.1 says of a command that it will not have any more. */
  readonly deprecated?: string;
  /** Keeps it out of the help. Default false. */
  readonly hidden?: boolean;
  readonly flags: F;
  readonly args: {
    readonly minimum: number;
    /** Any number when absent. */
    readonly maximum?: number;
    /** What the help calls them. */
    readonly placeholder?: string;
    readonly brief?: string;
  };
  /** Whether flags that are not given come from `COSIGN_<FLAG>`. Default true. */
  readonly environment?: boolean;
  /** Whether it calls `refuseLater()` itself, after checks that come before. Default false. */
  readonly refusesLater?: boolean;
  /** Loads what the command does; only called when it is asked for. */
  readonly load: () => Promise<CommandFunction<F>>;
}

/** An invocation whose flags' types were lost on the way through a table of commands. */
export interface UntypedInvocation extends World {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly given: ReadonlySet<string>;
  readonly args: readonly string[];
  readonly fail: Fail;
}

/** A command whose flags' types nobody but its own file knows. */
export interface Command {
  readonly brief: string;
  readonly deprecated?: string;
  readonly hidden: boolean;
  /** Refused altogether: why. */
  readonly refused?: string;
  /** The global ones among them. */
  readonly flags: FlagTable;
  readonly args: CommandSpec<FlagTable>["args"];
  readonly environment: boolean;
  /** @param call With the values that `parseFlags()` made by this command's own `flags`. */
  readonly run: (call: UntypedInvocation) => Promise<number>;
}

/** Makes a command of its description. */
export function command<F extends FlagTable>(spec: CommandSpec<F>): Command {
  return {
    brief: spec.brief,
    hidden: spec.hidden ?? false,
    ...(spec.deprecated === undefined ? {} : { deprecated: spec.deprecated }),
    flags: { ...spec.flags, ...GLOBAL_FLAGS },
    args: spec.args,
    environment: spec.environment ?? true,
    run: async (call) => {
      if (spec.refusesLater !== true) refuseLater(spec.flags, call.flags, call.given);
      const perform = await spec.load();
      // parseFlags() was given this very table, so that its values have this very type.
      const flags = call.flags as Invocation<F>["flags"];
      return perform({ ...call, flags });
    },
  };
}

/** A command that is there to be refused: until a later version has it, or since nothing will. */
export interface RefusedSpec<F extends FlagTable> {
  readonly brief: string;
  readonly hidden?: boolean;
  readonly flags: F;
  readonly args: CommandSpec<F>["args"];
  readonly environment?: boolean;
  /** What is said, in one sentence. */
  readonly refused: string;
  readonly hint: string;
  /** `FEATURE_UNAVAILABLE` for what a later version has, `USAGE` for what none will have. */
  readonly code: "FEATURE_UNAVAILABLE" | "USAGE";
}

/** Makes a command that reads its flags as all others and then says why it does nothing. */
export function refusedCommand<F extends FlagTable>(spec: RefusedSpec<F>): Command {
  return {
    brief: spec.brief,
    hidden: spec.hidden ?? false,
    refused: spec.refused,
    flags: { ...spec.flags, ...GLOBAL_FLAGS },
    args: spec.args,
    environment: spec.environment ?? true,
    run: () => Promise.reject(new CosignError(spec.code, spec.refused, { hint: spec.hint })),
  };
}
