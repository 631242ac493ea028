import type { CommandFunction, World } from "../command.ts";
import type { VERSION_FLAGS } from "../flags/other.ts";
import { VERSION } from "../version.ts";

/** `version`: what this program is, line by line or as JSON. */
export const versionCommand: CommandFunction<typeof VERSION_FLAGS> = ({
  flags,
  stdout,
  runtime,
}) => {
  const facts = factsOf(runtime);
  stdout.write(`${flags.json ? JSON.stringify(facts, undefined, 2) : versionText(runtime)}\n`);
  return Promise.resolve(0);
};

/** What `version` prints without flags, but for the end of its last line. */
export function versionText(runtime: World["runtime"]): string {
  const facts = factsOf(runtime);
  return [
    "cosign-ts: sign and verify what lies in OCI registries",
    "",
    `GitVersion:    ${facts.gitVersion}`,
    `Runtime:       ${facts.runtime}`,
    `Platform:      ${facts.platform}`,
  ].join("\n");
}

function factsOf({ name, platform }: World["runtime"]) {
  return { gitVersion: `v${VERSION}`, runtime: name, platform };
}
