import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzip } from "../../../engine/plugin_host/contract.ts";
import { plugin } from "../../../plugins/artifacts-helm/mod.ts";
import { describeLoose, type LooseBlob } from "../../support/described.ts";

const helm = plugin.artifacts?.["helm"];
const bytes = (text: string) => new TextEncoder().encode(text);
// Names and contents after Helm's own documentation ("Use OCI-based registries").
const CHART =
  "apiVersion: v2\nname: mychart\nversion: 0.1.0\nappVersion: '1.10'\ntype: application\n";
const CONFIG = {
  name: "mychart",
  version: "0.1.0",
  apiVersion: "v2",
  appVersion: "1.10",
  type: "application",
};
const PROVENANCE: LooseBlob = {
  mediaType: "application/vnd.cncf.helm.chart.provenance.v1.prov",
  content: bytes("-----BEGIN PGP SIGNED MESSAGE-----"),
};
let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "helm-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Packs files with the system's tar. */
function pack(files: Readonly<Record<string, string>>): LooseBlob {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), content);
  }
  const packed = Bun.spawnSync(["tar", "-czf", "chart.tgz", ...Object.keys(files)], { cwd: dir });
  if (packed.exitCode !== 0) throw new Error(packed.stderr.toString());
  const content = new Uint8Array(readFileSync(join(dir, "chart.tgz")));
  return { mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", content };
}

const known = (config: unknown, ...layers: readonly LooseBlob[]) => {
  const content = bytes(JSON.stringify(config));
  const mediaType = "application/vnd.cncf.helm.config.v1+json";
  return describeLoose(helm, { mediaType, content }, layers);
};

describe("describe() of Helm", () => {
  test("says what the packed chart is, whatever lies in its dependencies", async () => {
    const chart = pack({
      "mychart/charts/other/Chart.yaml": "name: other\nversion: 9.9.9\n",
      "mychart/Chart.yaml": CHART,
    });
    const facts = { name: "mychart", version: "0.1.0", appVersion: "1.10", type: "application" };
    expect(await known(CONFIG, chart)).toEqual({ ...facts, hasProvenance: "false" });
    expect(await known(CONFIG, PROVENANCE, chart)).toEqual({ ...facts, hasProvenance: "true" });
    const least = pack({ "small/Chart.yaml": "name: small\nversion: 1.0.0\n" });
    expect(await known({ name: "small", version: "1.0.0" }, least)).toEqual({
      name: "small",
      version: "1.0.0",
      type: "application",
      hasProvenance: "false",
    });
  });

  test("refuses a config that says something else, and what is no chart", async () => {
    const chart = pack({ "mychart/Chart.yaml": CHART });
    const { appVersion: _, ...without } = CONFIG;
    const bomb = { ...chart, content: gzip(new Uint8Array(40_000_000)) };
    for (const [config, layers, why] of [
      [{ ...CONFIG, version: "9.0.0" }, [chart], 'The version in its Chart.yaml is "0.1.0"'],
      [{ ...CONFIG, name: "other" }, [chart], "The name in its Chart.yaml"],
      [without, [chart], "its config says absent"],
      [[], [chart], "no JSON object"],
      [CONFIG, [], "one layer"],
      [CONFIG, [chart, chart], "one layer"],
      [CONFIG, [pack({ "a/Chart.yaml": CHART, "b/Chart.yaml": CHART })], "one Chart.yaml"],
      [CONFIG, [pack({ "Chart.yaml": CHART })], "one Chart.yaml"],
      [CONFIG, [pack({ "a/Chart.yaml": "a: [" })], "Chart.yaml: "],
      [CONFIG, [bomb], "longer than"],
      [CONFIG, [{ ...chart, content: bytes("no gzip") }], "Cannot decompress"],
    ] as const) {
      const error = await known(config, ...layers).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(SyntaxError);
      expect(`${error}`).toContain(why);
    }
  });
});
