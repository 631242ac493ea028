import {
  type Application,
  buildApplication,
  buildCommand,
  buildRouteMap,
  type CommandContext,
  type Command as RoutedCommand,
  type RouteMap,
  text_en,
} from "@stricli/core";
import type { Command } from "./command.ts";

/** What the routing library hands on to a command. */
export interface Route extends CommandContext {
  /** Performs the command that was routed to. */
  readonly perform: (command: Command) => Promise<void>;
}

/**
 * Makes the routes of the commands. The flags are parsed by `parseFlags()`, as pflag does, and the
 * help is `commandHelp()`: the library gets the words of the command only.
 *
 * @param name What the program is called.
 */
export function makeApplication(
  name: string,
  commands: Readonly<Record<string, Command>>,
): Application<Route> {
  const routes: Record<string, RoutedCommand<Route> | RouteMap<Route>> = {};
  for (const [words, command] of Object.entries(commands)) {
    const [first = "", second] = words.split(" ");
    if (second === undefined) routes[first] = makeRoute(command);
    else routes[first] ??= makeGroup(first, commands);
  }
  const root = buildRouteMap<string, Route>({ routes, docs: { brief: name } });
  return buildApplication(root, {
    name,
    scanner: { caseStyle: "original" },
    localization: { text: text_en },
  });
}

function makeGroup(group: string, commands: Readonly<Record<string, Command>>): RouteMap<Route> {
  const members = Object.entries(commands).flatMap(([words, command]) => {
    const [first, second] = words.split(" ");
    return first === group && second !== undefined ? [[second, makeRoute(command)] as const] : [];
  });
  return buildRouteMap<string, Route>({
    routes: Object.fromEntries(members),
    docs: { brief: group },
  });
}

function makeRoute(command: Command): RoutedCommand<Route> {
  return buildCommand<Record<never, never>, [], Route>({
    docs: { brief: command.brief },
    parameters: {},
    func: async function (this: Route) {
      await this.perform(command);
    },
  });
}
