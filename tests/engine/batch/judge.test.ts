import { describe, expect, test } from "bun:test";
import { type JudgedManifest, judgeTree } from "../../../engine/batch/judge_tree.ts";
import { parseDigest } from "../../../engine/model/digest.ts";
import type { ErrorCode } from "../../../engine/model/errors.ts";
import type { RecursivePolicy } from "../../../engine/model/policy.ts";
import { judge, type PlaceResult } from "../../../engine/verify/judge.ts";

const nothing: PlaceResult = {
  format: "legacy",
  outcome: "read",
  verified: [],
  refused: [],
  attestations: [],
};
const throttled: PlaceResult = {
  format: "bundle",
  outcome: "unread",
  reason: { code: "REGISTRY_RATE_LIMITED", message: "429" },
};

describe("judge()", () => {
  test("says unsigned only when every place was read", () => {
    expect(judge([nothing, { ...nothing, format: "bundle" }])).toMatchObject({
      outcome: "failed",
      reason: { code: "NO_SIGNATURES" },
    });
    expect(judge([nothing, throttled])).toMatchObject({
      outcome: "error",
      reason: { code: "REGISTRY_RATE_LIMITED" },
    });
  });

  test("a refused signature beside an unread place is no answer", () => {
    const refused: PlaceResult = {
      ...nothing,
      refused: [{ code: "SIGNATURE_INVALID", message: "other key" }],
    };
    expect(judge([refused])).toMatchObject({
      outcome: "failed",
      reason: { code: "NO_MATCHING_SIGNATURES" },
    });
    expect(judge([refused, throttled]).outcome).toBe("error");
  });

  test("an attested image is unsigned, and the hint says where to go", () => {
    const attested: PlaceResult = { ...nothing, attestations: ["https://spdx.dev/Document"] };
    const judgement = judge([attested]);
    if (judgement.outcome === "passed") throw new Error("passed");
    expect(judgement.reason.code).toBe("NO_SIGNATURES");
    expect(judgement.reason.hint).toContain("verify-attestation");
  });
});

describe("judgeTree()", () => {
  const digestOf = (name: string) => parseDigest(`sha256:${name.repeat(64)}`);
  const node = (
    name: string,
    isIndex: boolean,
    parents: readonly string[],
    code?: ErrorCode,
  ): JudgedManifest => {
    const known = { name, digest: digestOf(name), signatures: [] };
    const reason = code === undefined ? undefined : { code, message: name };
    return {
      digest: known.digest,
      isIndex,
      parents: parents.map(digestOf),
      verdict:
        reason === undefined
          ? { ...known, outcome: "passed" }
          : {
              ...known,
              outcome: code === "NO_SIGNATURES" ? "failed" : "error",
              reason,
            },
    };
  };
  const unsigned = "NO_SIGNATURES";
  const cases: readonly [
    string,
    readonly JudgedManifest[],
    Record<RecursivePolicy, "passed" | "failed" | "error">,
  ][] = [
    [
      "everything signed",
      [node("a", true, []), node("b", false, ["a"]), node("c", false, ["a"])],
      { all: "passed", index: "passed", leaf: "passed", either: "passed" },
    ],
    [
      "only the index signed",
      [node("a", true, []), node("b", false, ["a"], unsigned)],
      { all: "failed", index: "passed", leaf: "failed", either: "passed" },
    ],
    [
      "only the leaves signed",
      [node("a", true, [], unsigned), node("b", false, ["a"])],
      { all: "failed", index: "failed", leaf: "passed", either: "passed" },
    ],
    [
      "an inner index covers its leaf, the other leaf is bare",
      [
        node("a", true, [], unsigned),
        node("b", true, ["a"]),
        node("c", false, ["a", "b"], unsigned),
        node("d", false, ["a"], unsigned),
      ],
      { all: "failed", index: "failed", leaf: "failed", either: "failed" },
    ],
    [
      "a leaf that could not be read",
      [node("a", true, []), node("b", false, ["a"], "REGISTRY_UNAVAILABLE")],
      { all: "error", index: "passed", leaf: "error", either: "passed" },
    ],
    [
      "a bare leaf whose index could not be read",
      [node("a", true, [], "REGISTRY_UNAVAILABLE"), node("b", false, ["a"], unsigned)],
      { all: "failed", index: "error", leaf: "failed", either: "error" },
    ],
    [
      "one image",
      [node("a", false, [], unsigned)],
      { all: "failed", index: "failed", leaf: "failed", either: "failed" },
    ],
  ];
  for (const [name, manifests, expected] of cases) {
    test(`with ${name}`, () => {
      for (const policy of ["all", "index", "leaf", "either"] as const) {
        expect([policy, judgeTree(manifests, policy).outcome]).toEqual([policy, expected[policy]]);
      }
    });
  }
});
