import {
  type Application,
  buildApplication,
  buildCommand,
  buildRouteMap,
  type CommandContext,
  type FlagParametersForType,
  type Command as RoutedCommand,
  type RouteMap,
  text_en,
} from "@stricli/core";
import type { Command } from "./command.ts";
import type { Flag } from "./flag.ts";

/** What the routing library hands on to a command. */
export interface Route extends CommandContext {
  /** Performs the command that was routed to. */
  readonly perform: (command: Command) => Promise<void>;
}

type HelpFlags = Readonly<Record<string, string | undefined>>;

/**
 * Makes the routes and the help of the commands. The flags are parsed by `parseFlags()`, as pflag
 * does; the library gets the words of the command only, and `--help`.
 *
 * @param name What the program is called in its help.
 */
export function makeApplication(
  name: string,
  commands: Readonly<Record<string, Command>>,
  groups: Readonly<Record<string, string>>,
): Application<Route> {
  const routes: Record<string, RoutedCommand<Route> | RouteMap<Route>> = {};
  for (const [words, command] of Object.entries(commands)) {
    const [first = "", second] = words.split(" ");
    if (second === undefined) routes[first] = makeRoute(command);
    else routes[first] ??= makeGroup(first, commands, groups[first] ?? "");
  }
  const root = buildRouteMap<string, Route>({
    routes,
    docs: { brief: "Sign and verify what lies in OCI registries, one by one or in bulk" },
  });
  return buildApplication(root, {
    name,
    scanner: { caseStyle: "original" },
    documentation: { disableAnsiColor: true, onlyRequiredInUsageLine: true },
    localization: { text: text_en },
  });
}

function makeGroup(
  group: string,
  commands: Readonly<Record<string, Command>>,
  brief: string,
): RouteMap<Route> {
  const members = Object.entries(commands).flatMap(([words, command]) => {
    const [first, second] = words.split(" ");
    return first === group && second !== undefined ? [[second, makeRoute(command)] as const] : [];
  });
  return buildRouteMap<string, Route>({ routes: Object.fromEntries(members), docs: { brief } });
}

function makeRoute(command: Command): RoutedCommand<Route> {
  const flags: Record<string, unknown> = {};
  const aliases: Record<string, string> = {};
  for (const [name, flag] of Object.entries(command.flags)) {
    flags[name] = documentFlag(flag);
    if (flag.short !== undefined && !isHidden(flag)) aliases[flag.short] = name;
  }
  const { placeholder, brief } = command.args;
  return buildCommand<HelpFlags, string[], Route>({
    docs: { brief: command.brief, customUsage: [usageOf(command.args)] },
    parameters: {
      // Only documents: the library mixes flags of several kinds, which its types say of literals only.
      flags: flags as FlagParametersForType<HelpFlags, Route>,
      aliases,
      ...(placeholder === undefined
        ? {}
        : {
            positional: {
              kind: "array",
              parameter: { brief: brief ?? "", parse: String, placeholder },
            },
          }),
    },
    func: async function (this: Route) {
      await this.perform(command);
    },
  });
}

function usageOf({ placeholder, minimum, maximum }: Command["args"]): string {
  if (placeholder === undefined) return "[flags]";
  const one = minimum === 0 ? `[<${placeholder}>]` : `<${placeholder}>`;
  return `[flags] ${one}${maximum === 1 ? "" : "..."}`;
}

function documentFlag(flag: Flag): Readonly<Record<string, unknown>> {
  const shared = { brief: flag.brief, optional: true, hidden: isHidden(flag) };
  if (flag.type === "bool") return { ...shared, kind: "boolean", withNegated: false };
  const placeholder =
    flag.placeholder ?? (flag.type === "choice" ? flag.values.join("|") : flag.type);
  return { ...shared, kind: "parsed", parse: String, placeholder };
}

function isHidden(flag: Flag): boolean {
  return flag.hidden === true || flag.support !== undefined;
}
