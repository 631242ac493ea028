import type { HostedKey } from "../../engine/keys/hosted.ts";
import { parsePluginManifest } from "../../engine/plugin_host/manifest.ts";
import { type PluginWorld, pluginCaller } from "../../engine/plugin_host/plugin_call.ts";
import { makePluginTable } from "../../engine/plugin_host/table.ts";
import { LINKS, MANIFEST } from "../../plugins/builtin.ts";
import { pluginWorld } from "./plugin_world.ts";

/** A key of a built-in backend, called as the engine calls it: with the variables that its declaration names. */
export async function builtinKey(
  uri: string,
  changes: Partial<PluginWorld> = {},
): Promise<HostedKey> {
  const table = makePluginTable(parsePluginManifest(MANIFEST), LINKS);
  const backend = await table.keyBackend(uri.slice(0, uri.indexOf(":")));
  if (backend === undefined) throw new TypeError(`No plugin has ${uri}`);
  const caller = pluginCaller(backend, pluginWorld(changes));
  return { uri, backend, caller, signal: new AbortController().signal };
}
