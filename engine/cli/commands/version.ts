import { readFileSync } from "node:fs";
import { CosignError } from "../../model/errors.ts";
import type { CommandFunction, World } from "../command.ts";
import type { VERSION_FLAGS } from "../flags/other.ts";
import { VERSION } from "../version.ts";

/** `version`: what this program is, line by line or as JSON. */
export const versionCommand: CommandFunction<typeof VERSION_FLAGS> = async ({
  flags,
  stdout,
  runtime,
}) => {
  const facts = factsOf(runtime);
  if (flags.licenses) stdout.write(await readNotices());
  else stdout.write(`${flags.json ? JSON.stringify(facts, undefined, 2) : versionText(runtime)}\n`);
  return 0;
};

async function readNotices(): Promise<Uint8Array> {
  const { findAsset } = await import("../../io/program.ts");
  const notices = findAsset("THIRD_PARTY_NOTICES");
  if (notices === undefined) {
    throw new CosignError("FILE_READ", "Cannot read licences: they are gathered by the build", {
      hint: "Run npm run build, or read the packages' own files in node_modules",
    });
  }
  return new Uint8Array(readFileSync(notices));
}

/** What `version` prints without flags, but for the end of its last line. */
export function versionText(runtime: World["runtime"]): string {
  const facts = factsOf(runtime);
  return [
    "cosign-ts: sign and verify what lies in OCI registries",
    "",
    `GitVersion:    ${facts.gitVersion}`,
    `GitCommit:     ${facts.gitCommit}`,
    `GitTreeState:  ${facts.gitTreeState}`,
    `BuildDate:     ${facts.buildDate}`,
    `GoVersion:     ${facts.goVersion}`,
    `Compiler:      ${facts.compiler}`,
    `Platform:      ${facts.platform}`,
    `Runtime:       ${facts.runtime}`,
  ].join("\n");
}

/**
 * The fields of cosign's own answer, and what runs us. The same sources make the same binary: it
 * knows neither when it was built nor from which commit.
 */
function factsOf({ name, platform }: World["runtime"]) {
  return {
    gitVersion: `v${VERSION}`,
    gitCommit: "unknown",
    gitTreeState: "unknown",
    buildDate: "unknown",
    goVersion: "none",
    compiler: name.split(" ")[0] ?? name,
    platform: goPlatform(platform),
    runtime: name,
  };
}

/** `linux/amd64` for `linux/x64`. */
function goPlatform(platform: string): string {
  const [system = "", processor = ""] = platform.split("/");
  return `${system === "win32" ? "windows" : system}/${processor === "x64" ? "amd64" : processor}`;
}
