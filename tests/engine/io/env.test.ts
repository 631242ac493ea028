import { expect, test } from "bun:test";
import { childEnvironment, parseGoBool, refuseUnsafeEnvironment } from "../../../engine/io/env.ts";
import { hasCode } from "../../../engine/model/errors.ts";

function refused(env: Record<string, string>): unknown {
  try {
    refuseUnsafeEnvironment(env);
    return undefined;
  } catch (error) {
    return error;
  }
}

test("refuseUnsafeEnvironment() names what makes the runtime run or trust something else", () => {
  for (const [name, value] of [
    ["BUN_OPTIONS", "--preload=./x.js"],
    ["BUN_BE_BUN", "1"],
    ["BUN_INSPECT_PRELOAD", "x.js"],
    ["NODE_TLS_REJECT_UNAUTHORIZED", "0"],
    ["BUN_CONFIG_VERBOSE_FETCH", "curl"],
  ] as const) {
    const error = refused({ [name]: value });
    expect(hasCode(error, "ENVIRONMENT_REFUSED")).toBe(true);
    expect(String(error)).toContain(name);
    expect(String(error)).not.toContain(value.length > 1 ? value : "=");
  }
});

test("refuseUnsafeEnvironment() lets harmless values pass", () => {
  expect(
    refused({ PATH: "/bin", NODE_TLS_REJECT_UNAUTHORIZED: "1", BUN_OPTIONS: "" }),
  ).toBeUndefined();
});

test("childEnvironment() keeps our secrets and the runtime's switches back", () => {
  expect(
    childEnvironment({
      PATH: "/bin",
      HOME: "/home/a",
      COSIGN_PASSWORD: "secret",
      COSIGN_REGISTRY_TOKEN: "secret",
      BUN_OPTIONS: "--preload=x",
      BUN_BE_BUN: "1",
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
      NODE_OPTIONS: "--require x",
      GONE: undefined,
    }),
  ).toEqual({ PATH: "/bin", HOME: "/home/a" });
});

test("parseGoBool() takes exactly what strconv.ParseBool takes", () => {
  for (const text of ["1", "t", "T", "TRUE", "true", "True"]) expect(parseGoBool(text)).toBe(true);
  for (const text of ["0", "f", "F", "FALSE", "false", "False"]) {
    expect(parseGoBool(text)).toBe(false);
  }
  for (const text of ["", "yes", "no", "tRUE", "2", " true"]) {
    expect(parseGoBool(text)).toBeUndefined();
  }
});
