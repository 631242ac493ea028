import { describe, expect, test } from "bun:test";
import { plugin } from "../../../plugins/artifacts-sbom/mod.ts";
import { describeLoose, looseManifest } from "../../support/described.ts";

const sbom = plugin.artifacts?.["sbom"];
const bytes = (text: string) => new TextEncoder().encode(text);
const CONFIG = { mediaType: "application/vnd.oci.image.config.v1+json", content: bytes("{}") };
const known = (mediaType: string, text: string) =>
  describeLoose(sbom, CONFIG, [{ mediaType, content: bytes(text) }]);

const SPDX = { spdxVersion: "SPDX-2.3", name: "app", packages: [{ name: "a" }, { name: "b" }] };
const CYCLONEDX = {
  bomFormat: "CycloneDX",
  specVersion: "1.5",
  metadata: { component: { name: "app", type: "container" } },
  components: [{ name: "a", components: [{ name: "inner" }] }],
};
const SYFT = { artifacts: [{}, {}, {}], source: { name: "app" }, schema: { version: "16.0.0" } };
const TAGS = `SPDXVersion: SPDX-2.3
DocumentName: app
PackageName: a
PackageComment: <text>
PackageName: not one
</text>
PackageName: b
`;
const XML = `<?xml version="1.0"?>
<!-- <components><component/></components> -->
<bom xmlns="http://cyclonedx.org/schema/bom/1.4" version="1">
  <metadata><component type="container"><name>app</name></component></metadata>
  <components>
    <component type="library"><name>a</name><components><component><name>i</name></component></components></component>
    <component type="library" x="a>b"/>
  </components>
  <x><![CDATA[</bom><components>]]></x>
</bom>`;
const SPDX_XML =
  "<Document><spdxVersion>SPDX-2.2</spdxVersion><name>app</name><packages><name>a</name></packages><packages/></Document>";

describe("describe() of SBOMs", () => {
  test("reads each format in each of its forms", async () => {
    const facts = (format: string, encoding: string, specVersion: string, components: string) => ({
      format,
      encoding,
      specVersion,
      name: "app",
      components,
    });
    for (const type of ["text/spdx+json", "spdx+json", "application/spdx+json"]) {
      expect(await known(type, JSON.stringify(SPDX))).toEqual(
        facts("spdx", "json", "SPDX-2.3", "2"),
      );
    }
    expect(await known("text/spdx", TAGS)).toEqual(facts("spdx", "tag-value", "SPDX-2.3", "2"));
    expect(await known("text/spdx+xml", SPDX_XML)).toEqual(facts("spdx", "xml", "SPDX-2.2", "2"));
    expect(await known("application/vnd.cyclonedx+json", JSON.stringify(CYCLONEDX))).toEqual(
      facts("cyclonedx", "json", "1.5", "1"),
    );
    expect(await known("application/vnd.cyclonedx+xml", XML)).toEqual(
      facts("cyclonedx", "xml", "1.4", "2"),
    );
    expect(await known("application/vnd.syft+json", JSON.stringify(SYFT))).toEqual(
      facts("syft", "json", "16.0.0", "3"),
    );
  });

  test("refuses what is not of the format that its media type names", async () => {
    for (const [type, text] of [
      ["text/spdx+json", JSON.stringify(CYCLONEDX)],
      ["application/vnd.syft+json", JSON.stringify(SPDX)],
      ["application/vnd.cyclonedx+json", "[]"],
      ["application/vnd.cyclonedx+json", '{"bomFormat":"CycloneDX","bomFormat":"x"}'],
      ["application/vnd.cyclonedx+json", JSON.stringify({ ...CYCLONEDX, components: 7 })],
      ["application/vnd.cyclonedx+xml", SPDX_XML],
      ["application/vnd.cyclonedx+xml", `<!DOCTYPE bom>${XML}`],
      ["application/vnd.cyclonedx+xml", XML.slice(0, -6)],
      ["application/vnd.cyclonedx+xml", `${XML}${XML.slice(21)}`],
      ["application/vnd.cyclonedx+xml", "<bom></mob>"],
      ["application/vnd.cyclonedx+xml", "text"],
      ["text/spdx", JSON.stringify(SPDX)],
    ] as const) {
      const error = await known(type, text).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(SyntaxError);
    }
  });

  test("passes nested and unfinished markup in no more time than it is long", async () => {
    for (const piece of ["<!--", "<a", "<![CDATA[", "<a>", '<a b="', "<?"]) {
      const error = await known("application/vnd.cyclonedx+xml", piece.repeat(1_000_000)).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(SyntaxError);
    }
    const tags = `SPDXVersion: SPDX-2.3\n${"<text>".repeat(1_000_000)}`;
    expect(await known("text/spdx", tags)).toMatchObject({ components: "0" });
  });

  test("recognizes one layer of a known type, no image", () => {
    const told = (...types: readonly string[]) =>
      sbom?.recognizes?.(
        looseManifest(
          CONFIG,
          types.map((mediaType) => ({ mediaType, content: bytes("") })),
        ),
      );
    expect(told("text/spdx")).toBe(true);
    expect([
      told("text/spdx", "text/spdx"),
      told("text/plain"),
      told(),
      told("constructor"),
    ]).toEqual([false, false, false, false]);
  });
});
