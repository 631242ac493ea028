import { describe, expect, test } from "bun:test";
import { SigningConfig as Independent } from "@sigstore/protobuf-specs";
import {
  encodeSigningConfig,
  parseSigningConfig,
  SIGNING_CONFIG_TYPE,
} from "../../../engine/formats/signing_config.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { embeddedSigningConfig } from "../../../engine/trust/embedded.ts";
import { listVectors, readVectorText } from "../../support/vectors.ts";

const WRITTEN = ["trust/signing-config.json", ...listVectors("trust/sc-", "keyless")].map(
  (path) => [path, readVectorText(path, "keyless")] as const,
);

/** A config of one log, changed. */
function changed(change: Record<string, unknown>): Uint8Array {
  const log = { url: "https://log.test", majorApiVersion: 2, operator: "log.test" };
  return utf8(
    JSON.stringify({
      mediaType: SIGNING_CONFIG_TYPE,
      rekorTlogUrls: [log],
      rekorTlogConfig: { selector: "ANY" },
      ...change,
    }),
  );
}

describe("parseSigningConfig()", () => {
  test("reads what cosign wrote, and encodeSigningConfig() writes the same again", () => {
    expect(WRITTEN.length).toBe(11);
    for (const [path, text] of WRITTEN) {
      // protojson puts a blank behind commas, or not, at random.
      const plain = text.trim().replaceAll(/,\s*/g, ",");
      const encoded = new TextDecoder().decode(encodeSigningConfig(parseSigningConfig(utf8(text))));
      expect([path, encoded]).toEqual([path, plain]);
    }
  });

  test("reads it as Sigstore's own library does", () => {
    const theirs = Independent.fromJSON(
      JSON.parse(readVectorText("trust/sc-rekor1.json", "keyless")),
    );
    const ours = parseSigningConfig(utf8(readVectorText("trust/sc-rekor1.json", "keyless")));
    const plain = ({ url, majorApiVersion, validFor, operator }: (typeof theirs.caUrls)[0]) => ({
      url,
      majorVersion: majorApiVersion,
      validFor: validFor?.start === undefined ? {} : { start: validFor.start },
      operator,
    });
    expect(ours.certificateAuthorities).toEqual(theirs.caUrls.map(plain));
    expect(ours.oidcProviders).toEqual(theirs.oidcUrls.map(plain));
    expect(ours.logs).toEqual(theirs.rekorTlogUrls.map(plain));
    expect(ours.timestampAuthorities).toEqual(theirs.tsaUrls.map(plain));
    expect(ours.logChoice).toEqual({ selector: "any" });
  });

  test("takes the names and numbers that protobuf's JSON allows", () => {
    const config = parseSigningConfig(
      utf8(
        JSON.stringify({
          media_type: SIGNING_CONFIG_TYPE,
          tsa_urls: [{ url: "https://tsa.test", major_api_version: "1", valid_for: null }],
          tsa_config: { selector: 3, count: 1 },
        }),
      ),
    );
    expect(config.timestampAuthorities).toEqual([
      { url: "https://tsa.test", majorVersion: 1, validFor: {}, operator: "" },
    ]);
    expect(config.timestampChoice).toEqual({ selector: "exact", count: 1 });
    expect(config.logChoice).toEqual({ selector: "undefined" });
  });

  test("is what the embedded config passes: Sigstore's public services", async () => {
    const config = parseSigningConfig(await embeddedSigningConfig());
    expect(config.certificateAuthorities.map(({ url }) => url)).toEqual([
      "https://fulcio.sigstore.dev",
    ]);
    expect(config.oidcProviders.map(({ url }) => url)).toEqual([
      "https://oauth2.sigstore.dev/auth",
    ]);
  });

  const service = { url: "https://log.test", majorApiVersion: 1, operator: "a" };
  const refused: readonly (readonly [string, Uint8Array, string])[] = [
    ["what is no JSON", utf8("services"), "JSON"],
    ["version 0.1", changed({ mediaType: SIGNING_CONFIG_TYPE.replace("0.2", "0.1") }), "v0.1+json"],
    [
      "a version to come",
      changed({ mediaType: SIGNING_CONFIG_TYPE.replace("0.2", "0.3") }),
      "v0.3",
    ],
    ["an unknown field", changed({ signer: "x" }), '"signer"'],
    ["an unknown field of a service", changed({ caUrls: [{ ...service, x: 1 }] }), '"x"'],
    ["an unknown selector", changed({ rekorTlogConfig: { selector: "SOME" } }), "selector"],
    ["a selector without a number", changed({ rekorTlogConfig: { selector: 4 } }), "selector"],
    ["a URL of a file", changed({ caUrls: [{ ...service, url: "file:///etc" }] }), "no URL"],
    ["no URL", changed({ caUrls: [{ operator: "a" }] }), "no URL"],
    ["a negative count", changed({ tsaConfig: { selector: "EXACT", count: -1 } }), "count"],
    [
      "a time that is none",
      changed({ caUrls: [{ ...service, validFor: { start: "now" } }] }),
      "time",
    ],
    ["more services than the limit", changed({ caUrls: Array(65).fill(service) }), "at most 64"],
    ["a key that stands there twice", utf8('{"mediaType":"a","mediaType":"b"}'), "twice"],
  ];
  for (const [what, bytes, why] of refused) {
    test(`refuses ${what}`, () => {
      expect(() => parseSigningConfig(bytes)).toThrow(SyntaxError);
      expect(() => parseSigningConfig(bytes)).toThrow(why);
    });
  }
});
