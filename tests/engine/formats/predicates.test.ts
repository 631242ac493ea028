import { describe, expect, test } from "bun:test";
import { parseStatement } from "../../../engine/formats/in_toto.ts";
import {
  acceptedPredicateUris,
  makePredicate,
  policyInput,
  predicateUri,
} from "../../../engine/formats/predicates.ts";
import type { Generation } from "../../../engine/model/exit_code.ts";
import { readCommands, readVectorText } from "../../support/vectors.ts";

const NOW = new Date("2026-07-01T12:00:00.789Z");
const utf8 = (text: string) => new TextEncoder().encode(text);

function make(type: string, json: unknown, generation: Generation = 2) {
  const text = typeof json === "string" ? json : JSON.stringify(json);
  return JSON.parse(makePredicate(type, text, generation, NOW));
}

describe("makePredicate()", () => {
  const records = readCommands();
  const made = records.filter(({ argv }) => argv[0] === "attest");

  test("makes of each file what the real cosign of each generation signed", () => {
    let compared = 0;
    for (const record of made) {
      const { argv, cosign } = record;
      const type = argv[argv.indexOf("--type") + 1] ?? "";
      const file = readVectorText(`files/${argv[argv.indexOf("--predicate") + 1]}`);
      const generation = Number(cosign.slice(0, 1)) as Generation;
      const uri = predicateUri(type, generation);
      // What was printed of it by the verification that came next.
      const next = records
        .slice(records.indexOf(record) + 1)
        .find(({ argv: words, exit }) => words[0] === "verify-attestation" && exit === 0);
      const printed = (next?.stdout ?? "").split("\n").filter((line) => line !== "");
      const theirs = printed
        .map((line) => JSON.parse(Buffer.from(JSON.parse(line).payload, "base64").toString()))
        .filter(({ predicateType }) => predicateType === uri)
        .map(({ predicate }) => predicate);
      // 2.6 and 3.1 print no bundle whose predicate is a text.
      if (type === "spdx" && !theirs.some((each) => typeof each === "string" || each.Data))
        continue;
      const time = theirs[0]?.Timestamp || NOW.toISOString();
      const ours = JSON.parse(makePredicate(type, file, generation, new Date(time)));
      expect([record.id, theirs]).toEqual([record.id, expect.arrayContaining([ours])]);
      compared++;
    }
    expect(compared).toBeGreaterThanOrEqual(56);
  });

  test("wraps custom predicates with the time in whole seconds", () => {
    const wanted = { Data: "not JSON", Timestamp: "2026-07-01T12:00:00Z" };
    for (const generation of [1, 2, 3] as const) {
      expect(make("custom", "not JSON", generation)).toEqual(wanted);
    }
    expect(make("https://cosign.sigstore.dev/attestation/v1", "not JSON", 3)).toEqual(wanted);
  });

  test("names the field that is missing, in cosign's words", () => {
    expect(() => make("slsaprovenance", { buildType: "x" })).toThrow(
      "provenance predicate: required field builder missing",
    );
    expect(() => make("slsaprovenance1", { buildDefinition: {} })).toThrow(
      "provenance predicate: required field runDetails missing",
    );
    for (const generation of [1, 2, 3] as const) {
      expect(() => make("link", { _type: "link", name: "x" }, generation)).toThrow(
        "link statement: required field materials missing",
      );
    }
  });

  test("names the field that does not fit", () => {
    expect(() => make("slsaprovenance", { builder: { id: 5 }, buildType: "x" })).toThrow(
      "unmarshal Provenance predicate: field builder.id is 5, expected a text",
    );
    expect(() => make("vuln", { metadata: { scanStartedOn: "yesterday" } })).toThrow(
      'unmarshal vuln predicate: field metadata.scanStartedOn is "yesterday", expected a time of RFC 3339',
    );
    expect(() => make("slsaprovenance", { materials: [{ uri: [] }] }, 3)).toThrow(
      "field materials[0].uri is [], expected a text",
    );
  });

  // What the real programs answered to these files.
  test("leaves out what Go's struct does not know, and fills in what it always writes", () => {
    const file = {
      builder: { ID: "x" },
      buildtype: "u",
      buildType: "v",
      invocation: null,
      extra: 1,
      metadata: {
        buildStartedOn: "2026-01-01T00:00:00.120+01:00",
        buildInvocationID: "q",
        reproducible: false,
      },
    };
    expect(JSON.stringify(make("slsaprovenance", file, 2))).toBe(
      '{"builder":{"id":"x"},"buildType":"v","invocation":{"configSource":{}},"metadata":{"buildInvocationID":"q","buildStartedOn":"2026-01-01T00:00:00.12+01:00","completeness":{"parameters":false,"environment":false,"materials":false},"reproducible":false}}',
    );
  });

  test("follows protobuf's JSON in 3.1: UTC, no empty fields, nothing required", () => {
    const file = {
      buildType: "x",
      extra: 1,
      metadata: {
        buildStartedOn: "2026-01-01T00:00:00.120+01:00",
        buildInvocationID: "q",
        reproducible: false,
      },
    };
    expect(make("slsaprovenance", file, 3)).toEqual({
      buildType: "x",
      metadata: { buildStartedOn: "2025-12-31T23:00:00.120Z" },
    });
  });

  test("renames invocationID of SLSA 1 as 3.1 does, and only there", () => {
    const file = {
      buildDefinition: { buildType: "t", externalParameters: { b: 1, a: [2.5, 1e30] }, x: 1 },
      runDetails: {
        builder: { id: "i" },
        metadata: { invocationID: "inv", startedOn: "2026-01-01T00:00:00Z" },
      },
    };
    const wanted = (name: string) => ({
      buildDefinition: { buildType: "t", externalParameters: { a: [2.5, 1e30], b: 1 } },
      runDetails: {
        builder: { id: "i" },
        metadata: { [name]: "inv", startedOn: "2026-01-01T00:00:00Z" },
      },
    });
    expect(make("slsaprovenance1", file, 2)).toEqual(wanted("invocationID"));
    expect(make("slsaprovenance1", file, 3)).toEqual(wanted("invocationId"));
  });

  test("wraps SPDX and CycloneDX in 1.x only", () => {
    expect(make("spdxjson", { a: 1 }, 1)).toEqual({ Data: { a: 1 }, Timestamp: "" });
    expect(make("cyclonedx", { a: 1 }, 1)).toEqual({ Data: { a: 1 }, Timestamp: "" });
    expect(make("spdx", "a: b\n", 1)).toEqual({ Data: "a: b\n", Timestamp: "" });
    expect(make("spdxjson", { a: 1 }, 2)).toEqual({ a: 1 });
    expect(make("spdx", "a: b\n", 3)).toEqual("a: b\n");
    expect(make("openvex", { "@context": "x" }, 3)).toEqual({ "@context": "x" });
  });

  test("refuses what is no JSON object for an URI, naming the type", () => {
    const type = "https://example.test/own/v1";
    for (const text of ["[]", "null", "5", "{", "{}{}", ""]) {
      expect(() => make(type, text, 3)).toThrow(
        `invalid JSON payload for predicate type ${type}: `,
      );
    }
  });

  test("refuses a key that stands twice, and keeps __proto__ as a plain key", () => {
    expect(() => make("cyclonedx", '{"a":1,"b":{"c":1,"\\u0063":2}}')).toThrow(
      'The key "c" stands there twice',
    );
    const made = JSON.stringify(make("cyclonedx", '{"__proto__":{"x":1},"constructor":2}'));
    expect(made).toBe('{"__proto__":{"x":1},"constructor":2}');
    expect(Object.hasOwn({}, "x")).toBe(false);
  });

  test("refuses JSON that is nested too deep for any stack", () => {
    const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    expect(() => make("cyclonedx", deep)).toThrow("nested deeper than 500 levels");
  });
});

describe("predicateUri()", () => {
  test("gives the short names their URIs, those of 1.x without a scheme", () => {
    expect(predicateUri("vuln", 1)).toBe("cosign.sigstore.dev/attestation/vuln/v1");
    expect(predicateUri("vuln", 2)).toBe("https://cosign.sigstore.dev/attestation/vuln/v1");
    expect(predicateUri("slsaprovenance", 1)).toBe("https://slsa.dev/provenance/v0.2");
  });

  test("takes absolute URIs and paths as Go's ParseRequestURI does, and nothing else", () => {
    for (const uri of ["https://a/b", "urn:x:y", "/a/b"]) expect(predicateUri(uri, 3)).toBe(uri);
    for (const bad of ["", "spdxx", "a/b", "cosign.sigstore.dev/attestation/v1", "https://a b"]) {
      expect(() => predicateUri(bad, 3)).toThrow(`invalid predicate type: ${bad}`);
    }
  });
});

test("acceptedPredicateUris() knows both spellings of custom and vuln", () => {
  expect(acceptedPredicateUris("custom")).toEqual([
    "https://cosign.sigstore.dev/attestation/v1",
    "cosign.sigstore.dev/attestation/v1",
  ]);
  expect(acceptedPredicateUris("spdx")).toEqual(["https://spdx.dev/Document"]);
  expect(acceptedPredicateUris("https://x.test/y")).toEqual(["https://x.test/y"]);
});

test("policyInput() leaves out what the type's struct does not know", () => {
  const statement = parseStatement(
    utf8(
      JSON.stringify({
        _type: "https://in-toto.io/Statement/v0.1",
        predicateType: "https://slsa.dev/provenance/v0.2",
        subject: [{ name: "n", digest: { sha256: "00" }, more: 1 }],
        predicate: { builder: { id: "b", more: 1 }, buildType: "t", more: 1 },
        more: 1,
      }),
    ),
  );
  expect(JSON.parse(policyInput("slsaprovenance", statement))).toEqual({
    _type: "https://in-toto.io/Statement/v0.1",
    predicateType: "https://slsa.dev/provenance/v0.2",
    subject: [{ name: "n", digest: { sha256: "00" } }],
    predicate: { builder: { id: "b" }, buildType: "t", invocation: { configSource: {} } },
  });
  expect(JSON.parse(policyInput("https://x.test/y", statement)).predicate.more).toBe(1);
});
