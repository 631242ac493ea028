import { describe, expect, test } from "bun:test";
import { imagesOfKubernetesManifest } from "../../../engine/formats/kubernetes_manifest.ts";

const CONTAINERS = "initContainers: [{name: i, image: i:1}], containers: [{name: c, image: c:1}]";

describe("imagesOfKubernetesManifest()", () => {
  for (const [kind, spec] of [
    ["Pod", `{${CONTAINERS}}`],
    ["Deployment", `{template: {spec: {${CONTAINERS}}}}`],
    ["ReplicaSet", `{template: {spec: {${CONTAINERS}}}}`],
    ["StatefulSet", `{template: {spec: {${CONTAINERS}}}}`],
    ["DaemonSet", `{template: {spec: {${CONTAINERS}}}}`],
    ["ReplicationController", `{template: {spec: {${CONTAINERS}}}}`],
    ["Job", `{template: {spec: {${CONTAINERS}}}}`],
    ["CronJob", `{jobTemplate: {spec: {template: {spec: {${CONTAINERS}}}}}}`],
    ["Rollout", `{strategy: {}, template: {spec: {${CONTAINERS}}}}`],
    ["TFJob", `{tfReplicaSpecs: {Worker: {template: {spec: {${CONTAINERS}}}}}}`],
  ] as const) {
    test(`reads the images of a ${kind}, those of initContainers first`, () => {
      expect(imagesOfKubernetesManifest(`kind: ${kind}\nspec: ${spec}\n`)).toEqual(["i:1", "c:1"]);
    });
  }

  test("reads a PodTemplate, whose template stands outside of a spec", () => {
    expect(
      imagesOfKubernetesManifest(`kind: PodTemplate\ntemplate: {spec: {${CONTAINERS}}}`),
    ).toEqual(["i:1", "c:1"]);
  });

  test("reads ephemeral containers and image volumes too", () => {
    expect(
      imagesOfKubernetesManifest(
        "spec: {ephemeralContainers: [{image: e}], containers: [{image: c}], volumes: [{image: {reference: v}}]}",
      ),
    ).toEqual(["c", "e", "v"]);
  });

  test("reads lists and several documents, JSON among them", () => {
    const list =
      "kind: List\nitems:\n- spec: {containers: [{image: a}]}\n- spec: {template: {spec: {containers: [{image: b}]}}}\n";
    expect(
      imagesOfKubernetesManifest(
        `${list}---\n# nothing\n---\n{"spec":{"containers":[{"image":"c"}]}}\n`,
      ),
    ).toEqual(["a", "b", "c"]);
  });

  test("finds nothing where nothing is run", () => {
    expect(imagesOfKubernetesManifest("")).toEqual([]);
    expect(
      imagesOfKubernetesManifest(
        "kind: ConfigMap\ndata: {x: 'containers: [{image: a}]'}\nstatus: {containerStatuses: [{image: b}]}",
      ),
    ).toEqual([]);
  });

  test("refuses what is no YAML, images that are no text, bombs of aliases and absurd depth", () => {
    expect(() => imagesOfKubernetesManifest("a: [")).toThrow("unable to decode the manifest");
    expect(() => imagesOfKubernetesManifest("spec: {containers: [{image: 1}]}")).toThrow("no text");
    const bomb = Array.from({ length: 12 }, (_, i) =>
      i === 0 ? "a0: &a0 [x, x]" : `a${i}: &a${i} [${`*a${i - 1}, `.repeat(10)}]`,
    ).join("\n");
    expect(() => imagesOfKubernetesManifest(bomb)).toThrow(/alias/i);
    expect(() => imagesOfKubernetesManifest(`${"{a: ".repeat(400)}1${"}".repeat(400)}`)).toThrow();
  });
});
