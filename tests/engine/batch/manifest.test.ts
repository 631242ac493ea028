import { describe, expect, test } from "bun:test";
import { MAX_BATCH_MANIFEST_BYTES, readManifest } from "../../../engine/batch/manifest.ts";
import { checkPlan } from "../../../engine/batch/plan.ts";
import { manifestJsonSchema } from "../../../engine/batch/schema.ts";
import type { BatchFlags } from "../../../engine/batch/settings.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { CosignError } from "../../../engine/model/errors.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const WHOLE = `version: 1
plugins: []
defaults:
  key: cosign.key
  format: bundle
  transparency: none
  recursive: true
  policy: release
policies:
  release: { keys: [cosign.pub] }
targets:
  - registry.example/app@${DIGEST}
  - { reference: "registry.example/tool:1.2", annotations: { env: prod } }
  - repository: registry.example/team/api
    tags: { include: ["v*"], exclude: ["*-rc*"] }
  - registry: registry.example
    repositories: { include: ["team/*"] }
  - { layout: ./out/image, kind: image }
`;
/** Nothing is said of the log. */
const UNSAID: BatchFlags = {
  op: "verify",
  generation: 3,
  keys: [],
  annotations: {},
  experimental: false,
  checkClaims: true,
};
const FLAGS: BatchFlags = { ...UNSAID, log: false };

function faultOf(
  text: string | Uint8Array,
  flags?: Partial<BatchFlags>,
  base: BatchFlags = FLAGS,
): CosignError {
  const bytes = typeof text === "string" ? utf8(text) : text;
  try {
    readManifest(bytes, "release.yaml", (manifest) =>
      flags === undefined ? [] : checkPlan(manifest, { ...base, ...flags }),
    );
  } catch (error) {
    if (error instanceof CosignError) return error;
    throw error;
  }
  throw new Error("The manifest was taken");
}

function expectFault(text: string | Uint8Array, said: string, flags?: Partial<BatchFlags>): void {
  const fault = faultOf(text, flags);
  expect(fault.code).toBe("BATCH_MANIFEST_INVALID");
  expect(fault.message).toStartWith('Cannot read manifest "release.yaml": ');
  expect(fault.message).toContain(said);
}

describe("readManifest()", () => {
  test("reads every form of target and setting", () => {
    const { manifest, digest } = readManifest(utf8(WHOLE), "release.yaml");
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(manifest.defaults).toEqual({
      key: "cosign.key",
      format: "bundle",
      transparency: "none",
      recursive: true,
      policy: "release",
    });
    expect(manifest.targets).toEqual([
      { reference: `registry.example/app@${DIGEST}` },
      { reference: "registry.example/tool:1.2", annotations: { env: "prod" } },
      { repository: "registry.example/team/api", tags: { include: ["v*"], exclude: ["*-rc*"] } },
      { registry: "registry.example", repositories: { include: ["team/*"] } },
      { layout: "./out/image", kind: "image" },
    ]);
  });

  test("reads JSON", () => {
    const { manifest } = readManifest(utf8('{"version": 1, "targets": ["a/b:c"]}'), "m.json");
    expect(manifest.targets).toEqual([{ reference: "a/b:c" }]);
  });

  test("reads JSON as YAML reads it, however it is spaced", () => {
    const { manifest } = readManifest(utf8(WHOLE), "release.yaml");
    for (const spaces of [0, 2, "\t"]) {
      const text = JSON.stringify(manifest, undefined, spaces);
      expect(readManifest(utf8(text), "m.json").manifest).toEqual(manifest);
    }
  });

  test("tells faults of JSON with their places, keys that stand twice among them", () => {
    expectFault(
      '{"version":1,\n"targets":["a/b:c"],\n"targets":["a/b:d"]}',
      "line 3, column 1: Map keys must be unique",
    );
    expectFault(
      '{"version":1,\n"targets":[{"reference":"a/b:c","kee":1}]}',
      "line 2, column 33: targets[0].kee: unknown field",
    );
  });

  test("takes the same manifest for sign and verify", () => {
    for (const op of ["sign", "verify"] as const) {
      const { manifest } = readManifest(utf8(WHOLE), "release.yaml", (read) =>
        checkPlan(read, { ...UNSAID, op }),
      );
      expect(manifest.targets).toHaveLength(5);
    }
  });

  test("tells line and column of unknown fields, at every level (CVE-2025-29778)", () => {
    expectFault(
      "version: 1\ntarget: []\ntargets: [a]\n",
      "line 2, column 1: target: unknown field",
    );
    expectFault(
      "version: 1\ndefaults:\n  kee: a\ntargets: [a]\n",
      "line 3, column 3: defaults.kee: unknown field",
    );
    expectFault(
      "version: 1\ntargets:\n  - repository: a/b\n    tags: { inclde: [x] }\n",
      "line 4, column 13: targets[0].tags.inclde: unknown field",
    );
    expectFault(
      "version: 1\npolicies:\n  p: { keys: [a], kees: [] }\ntargets: [a]\n",
      "line 3, column 19: policies.p.kees: unknown field",
    );
  });

  test("tells line and column of values of the wrong type", () => {
    const text = "version: 1\ntargets:\n  - reference: a\n    recursive: yes\n";
    expectFault(text, 'line 4, column 16: targets[0].recursive: got "yes", expected boolean');
    expectFault("version: 2\ntargets: [a]\n", "line 1, column 10: version: got 2, expected 1");
    expectFault("version: 1\ntargets: a\n", 'line 2, column 10: targets: got "a"');
    expectFault(
      "version: 1\ntargets: [{ reference: a, timeout: 5 minutes }]\n",
      "line 2, column 36: targets[0].timeout: must be as 90s or 5m",
    );
    expectFault(
      "version: 1\ndefaults: { transparency: rekor }\ntargets: [a]\n",
      'line 2, column 27: defaults.transparency: got "rekor", expected "none"',
    );
  });

  test("tells the problems of different places at once", () => {
    const { message } = faultOf("version: 3\nfoo: 1\ntargets: b\ndefaults: { recursive: 1 }\n");
    expect(message).toContain("4 problems");
    for (const place of [
      "line 1, column 10",
      "line 2, column 1",
      "line 3, column 10",
      "line 4, column 24",
    ]) {
      expect(message).toContain(place);
    }
  });

  test("refuses a target that is of no form, or of two", () => {
    expectFault(
      "version: 1\ntargets:\n  - reference: a\n    layout: b\n",
      'line 3, column 5: targets[0]: "reference" and "layout" contradict each other',
    );
    expectFault("version: 1\ntargets:\n  - {}\n", "line 3, column 5: targets[0]: expected one of");
    expectFault("version: 1\ntargets:\n  - 5\n", "line 3, column 5: targets[0]: got 5");
    expectFault("version: 1\ntargets: []\n", "targets: must name something");
  });

  test("refuses what is no YAML, with its place", () => {
    expectFault(
      "version: 1\nversion: 1\ntargets: [a]\n",
      "line 2, column 1: Map keys must be unique",
    );
    expectFault("version: 1\ntargets: [a\n", "line 3, column 1");
    expectFault("version: 1\ntargets: !!js/function [a]\n", "line 2, column 10: Unresolved tag");
    expectFault("version: 1\ntargets: [a]\n---\nversion: 1\n", "a second document begins");
    expectFault("", "it is empty");
    expectFault(Uint8Array.of(0x80, 0xff), "it is no UTF-8 text");
  });

  test("refuses aliases that multiply", () => {
    const rows = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 9; i++) rows.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(10)}]`);
    const startedMs = performance.now();
    expectFault(rows.join("\n"), "alias");
    expect(performance.now() - startedMs).toBeLessThan(2000);
  });

  test("takes a few aliases", () => {
    const text =
      "version: 1\ntargets:\n  - { reference: a, annotations: &x { e: p } }\n  - { reference: b, annotations: *x }\n";
    const { manifest } = readManifest(utf8(text), "m.yaml");
    expect(manifest.targets[1]?.annotations).toEqual({ e: "p" });
  });

  test("refuses a nesting without end and a file without end", () => {
    expect(faultOf("[".repeat(50_000)).code).toBe("BATCH_MANIFEST_INVALID");
    expectFault(new Uint8Array(MAX_BATCH_MANIFEST_BYTES + 1), "at most");
  });
});

describe("checkPlan()", () => {
  test("demands a policy or a key of every target that is verified", () => {
    expectFault(
      "version: 1\ntargets:\n  - a/b\n",
      "line 3, column 5: targets[0]: nothing to verify against",
      {},
    );
    const key = readManifest(utf8("version: 1\ntargets: [a/b]\n"), "m", (manifest) =>
      checkPlan(manifest, { ...FLAGS, keys: ["cosign.pub"] }),
    );
    expect(key.manifest.targets).toHaveLength(1);
  });

  test("does not take the key to sign with for one to verify with", () => {
    expectFault(
      "version: 1\ndefaults: { key: cosign.key }\ntargets: [a/b]\n",
      "nothing to verify",
      {},
    );
  });

  test("demands a key of every target that is signed", () => {
    expectFault("version: 1\ntargets: [a/b]\n", "no key to sign with", { op: "sign" });
  });

  test("refuses names of policies that are not there", () => {
    expectFault(
      "version: 1\npolicies: { release: { keys: [a] } }\ntargets:\n  - { reference: a/b, policy: relese }\n",
      'line 4, column 5: targets[0]: no policy is named "relese"; there are: release',
      {},
    );
    expectFault(
      "version: 1\ntargets: [{ reference: a/b, policy: __proto__ }]\n",
      'no policy is named "__proto__"',
      {},
    );
  });

  test("refuses contradictions", () => {
    expectFault(
      "version: 1\npolicies: { p: { keys: [k], annotations: { env: prod } } }\ntargets:\n  - { reference: a/b, policy: p, annotations: { env: dev } }\n",
      'line 4, column 5: targets[0]: the annotation "env" contradicts the one of the policy',
      {},
    );
    expectFault(
      "version: 1\ntargets:\n  - { reference: a/b, recursivePolicy: leaf }\n",
      '"recursivePolicy" contradicts "recursive: false"',
      { keys: ["k"] },
    );
  });

  test("refuses references that are none", () => {
    expectFault("version: 1\ntargets:\n  - a/b\n  - UPPER/case\n", "line 4, column 5: targets[1]", {
      keys: ["k"],
    });
    expectFault("version: 1\ntargets: [{ repository: 'a/b:tag' }]\n", "line 2, column 11", {
      keys: ["k"],
    });
    expectFault("version: 1\ntargets: [{ registry: myregistry }]\n", "needs a port or a domain", {
      keys: ["k"],
    });
  });

  test("takes declarations of other people's plugins, by the rules of every list of them", () => {
    const acme =
      "{ name: acme, api: 1, source: process, command: [acme], provides: { key: [acme] } }";
    const text = (plugin: string) => `version: 1\nplugins: [${plugin}]\ntargets: [a]\n`;
    const { manifest } = readManifest(utf8(text(acme)), "m", () => []);
    expect(manifest.plugins.map(({ name }) => name)).toEqual(["acme"]);
    for (const plugin of [
      "{ name: x }",
      acme.replace("process", "builtin"),
      acme.replace("[acme], p", "[./acme], p"),
      acme.replace("[acme], p", "[], p"),
      acme.replace("key: [acme]", "artifact: [acme]"),
    ]) {
      expectFault(text(plugin), "plugins[0]", { keys: ["k"] });
    }
  });

  test("tells what is wrong with who shall vouch, and where", () => {
    const text = (transparency: string) =>
      `version: 1\ndefaults:\n  key: k\n  transparency: ${transparency}\ntargets: [a]\n`;
    const sign = { op: "sign" } as const;
    expectFault(text("never"), 'line 4, column 17: defaults.transparency: got "never"', sign);
    expectFault(text("{ uplaod: true }"), "line 4, column 19: defaults.transparency.uplaod", sign);
    expectFault(text("{ rekor: r }"), "defaults.transparency.rekor: must be an http", sign);
    expectFault(
      "version: 1\ntargets: [{ reference: a/b, key: keyless, transparency: none }]\n",
      'contradicts the key "keyless"',
      sign,
    );
  });

  const policy = (...lines: readonly string[]) =>
    [
      "version: 1",
      "policies:",
      "  p:",
      ...lines.map((line) => `    ${line}`),
      "targets: [a/b]",
      "",
    ].join("\n");

  test("tells of policies that demand nothing, by line and column", () => {
    expectFault(
      policy("annotations: { a: b }"),
      'line 4, column 5: policies.p: demands nothing: name "keys" or "identities"',
    );
    expectFault(
      policy("identities: []"),
      "line 4, column 17: policies.p.identities: must name an identity",
    );
    expectFault(policy("keys: []"), "line 4, column 11: policies.p.keys: must name a key");
    expectFault(
      policy("identities:", '  - { issuerRegExp: ".*", subjectRegExp: "" }'),
      "policies.p.identities[0].subjectRegExp: must not be empty",
    );
    for (const all of [".*", "^.*$", "(?s).*", "a*", "()"]) {
      expectFault(
        policy("identities:", `  - { issuerRegExp: '${all}', subjectRegExp: '.*' }`),
        "line 5, column 9: policies.p.identities[0]: demands nothing: its patterns take everybody",
      );
    }
    const { manifest } = readManifest(
      utf8(policy("identities:", "  - { issuer: https://i, subjectRegExp: '.*' }")),
      "m",
    );
    expect(manifest.policies["p"]?.identities).toHaveLength(1);
  });

  test("tells of identities without an issuer or a subject, and with two, by line and column", () => {
    const identity = (...fields: readonly string[]) =>
      policy("identities:", `  - { ${fields.join(", ")} }`);
    const at = "line 5, column 9: policies.p.identities[0]: ";
    expectFault(
      identity("subject: a"),
      `${at}must say who vouches for it: one of "issuer" and "issuerRegExp"`,
    );
    expectFault(
      identity("issuer: a"),
      `${at}must say who it is: one of "subject" and "subjectRegExp"`,
    );
    expectFault(
      identity("issuer: a", "issuerRegExp: a", "subject: b"),
      `${at}must say who vouches`,
    );
    expectFault(identity("issuer: a", "subjectRegExp: a", "subject: b"), `${at}must say who it is`);
    expectFault(
      identity("issuer: a", "subjectRegExp: '(?=b)'"),
      "line 5, column 37: policies.p.identities[0].subjectRegExp: is no pattern in Go's syntax",
    );
    expectFault(
      identity("issuer: a", "subject: b", "email: c"),
      "identities[0].email: unknown field",
    );
    expectFault(
      identity("issuer: a", "subject: b", "workflow: { branch: c }"),
      "identities[0].workflow.branch: unknown field",
    );
  });

  test("tells of transparency that contradicts itself, wherever it stands", () => {
    const key = "keys: [a]";
    expectFault(
      policy(key, "transparency: { require: logs }"),
      'line 5, column 30: policies.p.transparency.require: got "logs", expected "log" or "timestamp" or "both" or "none"',
    );
    expectFault(
      policy(key, "transparency: { require: timestamp, logs: 1 }"),
      'policies.p.transparency: "logs" contradicts "require"',
    );
    expectFault(
      policy(key, "transparency: { require: log, timestamps: 1 }"),
      '"timestamps" contradicts "require"',
    );
    expectFault(
      policy(key, "transparency: { require: none, logs: 1 }"),
      '"logs" contradicts "require"',
    );
    expectFault(policy(key, "transparency: { logs: 0 }"), "transparency.logs: must be 1 at least");
    expectFault(
      policy(key, "transparency: { logs: 1.5 }"),
      "transparency.logs: must be a whole number",
    );
    expectFault(
      policy(key, "transparency: { timestamps: 33 }"),
      "transparency.timestamps: must be 32 at most",
    );
    expectFault(
      policy(key, "transparency: some"),
      'policies.p.transparency: got "some", expected "none"',
    );
    expectFault(
      "version: 1\ndefaults:\n  transparency: { requires: log }\ntargets: [a/b]\n",
      "line 3, column 19: defaults.transparency.requires: unknown field",
    );
    expectFault(policy(key, "sct: false"), '"sct" is about certificates: it needs "identities"');
  });
});

describe("manifestJsonSchema()", () => {
  test("names every key of the manifest and lets no other in", () => {
    const schema = JSON.parse(JSON.stringify(manifestJsonSchema()));
    expect(schema.$schema).toBe("https://json-schema.org/draft/2020-12/schema");
    expect(schema.additionalProperties).toBe(false);
    expect(Object.keys(schema.properties).sort()).toEqual([
      "defaults",
      "plugins",
      "policies",
      "targets",
      "version",
    ]);
    expect(schema.required.sort()).toEqual(["targets", "version"]);
    const forms = schema.properties.targets.items.anyOf;
    expect(forms[0].type).toBe("string");
    for (const form of forms.slice(1)) expect(form.additionalProperties).toBe(false);
  });
});
