import { afterAll, beforeAll, describe, expect } from "bun:test";
import { PolicyJudge } from "../../../engine/conditions/evaluate.ts";
import { judgeByExecutables } from "../../../engine/conditions/executables.ts";
import type { PolicyKind, PolicySource } from "../../../engine/conditions/policy.ts";
import { buildPolicyTools, policyProgram } from "../../support/policy_tools.ts";
import { hasTool, requires } from "../../support/requires.ts";
import { POLICIES, STATEMENT } from "./_policies.ts";

const BUILD_TIMEOUT_MS = 1_800_000;
const TEST_TIMEOUT_MS = 120_000;
const LIMITS = { timeoutMs: 60_000, maxMemoryBytes: 1024 * 1024 * 1024 };
const test = requires("go");

let judge = new PolicyJudge();
let tools = "";

beforeAll(() => {
  if (!hasTool("go")) return;
  judge = new PolicyJudge({ program: policyProgram(), ...LIMITS });
  tools = buildPolicyTools();
}, BUILD_TIMEOUT_MS);
afterAll(() => judge[Symbol.asyncDispose]());

function source(kind: PolicyKind, text: string, path = `policies/policy.${kind}`): PolicySource {
  return { path, kind, text };
}

describe("PolicyJudge.judge() and the command-line programs of CUE and OPA agree on", () => {
  for (const { name, kind, text, says, isStricterInShell } of POLICIES) {
    test(
      `${kind}: ${name}`,
      async () => {
        const policies = [source(kind, text)];
        const failures = await judge.judge(STATEMENT, policies);
        expect(failures.map((failure) => failure.kind)).toEqual(says === undefined ? [] : [kind]);
        if (typeof says === "string") expect(failures[0]?.message).toBe(says);
        else if (says !== undefined) expect(failures[0]?.message).toMatch(says);

        const statement = new TextEncoder().encode(STATEMENT);
        const theirs = await judgeByExecutables(statement, policies, { ...LIMITS, path: tools });
        expect(theirs.length > 0).toBe(says !== undefined || isStricterInShell === true);
      },
      TEST_TIMEOUT_MS,
    );
  }
});

describe("PolicyJudge.judge()", () => {
  const both = (cue: string, rego: string) => [source("rego", rego), source("cue", cue)];
  const kinds = async (policies: readonly PolicySource[]) =>
    (await judge.judge(STATEMENT, policies)).map(({ kind }) => kind);
  const no = "package signature\ndefault allow = false";

  test("says nothing without policies", async () => {
    expect(await judge.judge("this is no JSON", [])).toEqual([]);
  });

  test("asks Rego only when CUE has nothing to say", async () => {
    expect(await kinds(both("predicateType: int", no))).toEqual(["cue"]);
    expect(await kinds(both("predicateType: string", no))).toEqual(["rego"]);
  });

  test("takes all CUE policies as one", async () => {
    const a = source("cue", "limit: int\npredicate: score: <limit", "p/a.cue");
    expect(await kinds([a, source("cue", "limit: 8", "p/b.cue")])).toEqual([]);
    expect(await kinds([a, source("cue", "limit: 7", "p/b.cue")])).toEqual(["cue"]);
  });

  test("takes all Rego policies as one", async () => {
    const a = source(
      "rego",
      'package signature\nallow { data.names.trusted[_] == "bob" }',
      "a.rego",
    );
    const b = source("rego", 'package names\ntrusted = ["ann", "bob"]', "/elsewhere/b.rego");
    expect(await kinds([a, b])).toEqual([]);
    expect(await kinds([a])).toEqual(["rego"]);
  });

  test("names the policy in what is wrong with it", async () => {
    const policy = source("rego", "package signature\nallow {\n", "../policies/mine.rego");
    const [failure] = await judge.judge(STATEMENT, [policy]);
    expect(failure?.message).toContain("../policies/mine.rego:3: rego_parse_error");
  });

  test("refuses, as cosign, a condition outside of all fields on what only the statement knows", async () => {
    const text = "predicate: score: int\nif predicate.score > 5 {predicate: reviewers: [_, _]}";
    expect(await judge.judge(STATEMENT, [source("cue", text)])).toEqual([
      { kind: "cue", message: "non-concrete value int in operand to >" },
    ]);
  });

  test("calls a statement that is no JSON a failure of both", async () => {
    expect(await judge.judge("{", [source("cue", "a: 1")])).toEqual([
      { kind: "cue", message: "json: invalid JSON" },
    ]);
    expect(await judge.judge("{", [source("rego", no)])).toEqual([
      { kind: "rego", message: "unexpected EOF" },
    ]);
  });

  test("keeps apart what is asked at once", async () => {
    const asked = Array.from({ length: 20 }, (_, i) =>
      judge.judge(`{"n":${i}}`, [source("rego", `package signature\nallow { input.n == ${i} }`)]),
    );
    expect(await Promise.all(asked)).toEqual(asked.map(() => []));
  });
});
