import type { CommandFunction } from "../command.ts";
import type { VERSION_FLAGS } from "../flags/other.ts";
import { VERSION } from "../version.ts";

/** `version`: what this program is, line by line or as JSON. */
export const versionCommand: CommandFunction<typeof VERSION_FLAGS> = ({
  flags,
  stdout,
  runtime,
}) => {
  const facts = {
    gitVersion: `v${VERSION}`,
    runtime: runtime.name,
    platform: runtime.platform,
  };
  stdout.write(
    flags.json
      ? `${JSON.stringify(facts, undefined, 2)}\n`
      : `cosign-ts: sign and verify what lies in OCI registries\n\nGitVersion:    ${facts.gitVersion}\nRuntime:       ${facts.runtime}\nPlatform:      ${facts.platform}\n`,
  );
  return Promise.resolve(0);
};
