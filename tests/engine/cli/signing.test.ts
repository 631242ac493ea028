import { describe, expect, test } from "bun:test";
import { type SigningPlan, signingKey, signingPlan } from "../../../engine/cli/signing.ts";
import type { Generation } from "../../../engine/model/exit_code.ts";

type Flags = Parameters<typeof signingPlan>[0]["flags"];

const NONE: Flags = {
  "tlog-upload": true,
  "no-tlog-upload": false,
  "use-signing-config": false,
  "signing-config": undefined,
  "trusted-root": undefined,
  "fulcio-url": undefined,
  "identity-token": undefined,
  "insecure-skip-verify": false,
  "fulcio-auth-flow": undefined,
  "oidc-issuer": undefined,
  "oidc-client-id": undefined,
  "oidc-client-secret": undefined,
  "oidc-client-secret-file": undefined,
  "oidc-redirect-url": undefined,
  "oidc-provider": undefined,
  "oidc-disable-ambient-providers": false,
  "rekor-url": undefined,
  "timestamp-client-cacert": undefined,
  "timestamp-client-cert": undefined,
  "timestamp-client-key": undefined,
  "timestamp-server-name": undefined,
  "timestamp-server-url": undefined,
};

function plan(
  generation: Generation,
  flags: Partial<Flags> = {},
  { isIssued = false, experimental = false } = {},
): SigningPlan {
  const env = experimental ? { COSIGN_EXPERIMENTAL: "1" } : {};
  const given = new Set(Object.keys(flags));
  return signingPlan({ flags: { ...NONE, ...flags }, given, env }, generation, isIssued);
}

describe("signingPlan()", () => {
  test("asks the signing config's services in generation 3, those of the flags before", () => {
    expect(plan(3)).toMatchObject({ upload: true, services: "signing-config" });
    expect(plan(2)).toMatchObject({ upload: true, services: "flags" });
    expect(plan(2, { "use-signing-config": true })).toMatchObject({ services: "signing-config" });
    expect(plan(2, { "signing-config": "f" })).toMatchObject({ services: "signing-config" });
    expect(plan(3, { "use-signing-config": false })).toMatchObject({ services: "flags" });
  });

  test("takes a flag that names a service for a word against the signing config", () => {
    for (const name of [
      "fulcio-url",
      "rekor-url",
      "oidc-issuer",
      "timestamp-server-url",
    ] as const) {
      expect(plan(3, { [name]: "http://s" })).toMatchObject({ services: "flags" });
      for (const asked of [{ "signing-config": "f" }, { "use-signing-config": true }]) {
        expect(() => plan(3, { [name]: "http://s", ...asked })).toThrow(
          "cannot specify service URLs and use signing config",
        );
      }
    }
    expect(() => plan(3, { "signing-config": "f", "use-signing-config": true })).toThrow(
      "none of the others can be",
    );
  });

  test("asks nobody where a key signs without a log", () => {
    for (const flags of [{ "tlog-upload": false }, { "no-tlog-upload": true }] as const) {
      for (const generation of [1, 2, 3] as const) {
        expect(plan(generation, flags)).toEqual({ generation, isIssued: false, upload: false });
      }
    }
  });

  test("still asks the authorities for certificates and timestamps without a log", () => {
    const without = { "tlog-upload": false } as const;
    expect(plan(3, without, { isIssued: true })).toMatchObject({
      upload: false,
      services: "signing-config",
    });
    expect(plan(3, { ...without, "timestamp-server-url": "http://t" })).toMatchObject({
      upload: false,
      services: "flags",
    });
    expect(plan(3, { ...without, "signing-config": "f" })).toMatchObject({
      upload: false,
      services: "signing-config",
    });
  });

  test("wants the log in generation 1 with COSIGN_EXPERIMENTAL or when a flag says so", () => {
    expect(plan(1)).toEqual({ generation: 1, isIssued: false, upload: false });
    const experimental = { experimental: true };
    expect(plan(1, {}, experimental)).toMatchObject({ upload: true, services: "flags" });
    expect(plan(1, { "no-tlog-upload": true }, experimental).upload).toBe(false);
    expect(plan(1, { "tlog-upload": true }).upload).toBe(true);
  });
});

describe("signingKey()", () => {
  const keyOf = (generation: Generation, key?: string, env = {}) =>
    signingKey({ flags: { key, sk: false }, env }, generation);

  test("is keyless where no key is named, in generation 1 with COSIGN_EXPERIMENTAL only", () => {
    expect([keyOf(3, "k"), keyOf(3), keyOf(2, "")]).toEqual(["k", "keyless", "keyless"]);
    expect(keyOf(1, undefined, { COSIGN_EXPERIMENTAL: "1" })).toBe("keyless");
    expect(() => keyOf(1)).toThrow("exactly one of: key reference (--key)");
  });
});
