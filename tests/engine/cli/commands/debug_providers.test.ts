import { afterAll, describe, expect, test } from "bun:test";
import { BUILDKITE_TOKEN, startProviders } from "../../../support/identity_providers.ts";
import { cli } from "../_cli.ts";

const providers = startProviders(() => "token");
afterAll(() => providers.close());

const LINE = (env: Readonly<Record<string, string>>, name: string) =>
  cli(["debug", "providers"], env).then(({ stdout }) =>
    stdout.split("\n").find((line) => line.startsWith(`${name}: `)),
  );

describe("debug providers", () => {
  test("prints what cosign 3.1.2 prints, byte for byte, in such an environment", async () => {
    // Recorded from its package `providers`, asked by a program of its own language.
    const env = {
      SIGSTORE_ID_TOKEN: "abc",
      ACTIONS_ID_TOKEN_REQUEST_URL: "https://actions.example?api-version=2.0",
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "t",
      BUILDKITE_AGENT_ACCESS_TOKEN: BUILDKITE_TOKEN,
      SPIFFE_ENDPOINT_SOCKET: import.meta.path, // it is only looked at whether it is there
      GCE_METADATA_HOST: providers.host,
    };
    const { code, stdout, stderr } = await cli(["debug", "providers"], env);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.replace(/^filesystem: .*\n/, "")).toBe(
      "envvar: true\ngithub-actions: true\nbuildkite-agent: true\nspiffe: true\ngoogle-workload-identity: true\ngoogle-impersonate: false\n",
    );
    expect(stdout).toMatch(/^filesystem: (?:true|false)\n/);
  });

  test("shows nothing of what the variables hold, and asks nobody but the metadata server", async () => {
    const env = { SIGSTORE_ID_TOKEN: "abc", GOOGLE_SERVICE_ACCOUNT_NAME: "me@example.com" };
    const { stdout } = await cli(["debug", "providers"], env);
    expect(stdout).not.toContain("abc");
    expect(await LINE(env, "google-impersonate")).toBe("google-impersonate: true");
    expect(await LINE(env, "google-workload-identity")).toBe("google-workload-identity: false");
  });

  test("is hidden from the help, as in cosign", async () => {
    expect((await cli(["--help"])).stdout).not.toContain("debug");
    expect((await cli(["debug", "--help"])).stdout).toContain("providers");
  });
});
