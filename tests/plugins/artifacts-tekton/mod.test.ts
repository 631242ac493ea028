import { describe, expect, test } from "bun:test";
import { encodeTarFile, gunzip, gzip, readTar } from "../../../engine/plugin_host/contract.ts";
import { plugin } from "../../../plugins/artifacts-tekton/mod.ts";
import { describeLoose, type LooseBlob, looseManifest } from "../../support/described.ts";
import { digestOf } from "../../support/uploads.ts";

const tekton = plugin.artifacts?.["tekton"];
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (content: Uint8Array) => new TextDecoder().decode(content);
const OPTIONS = { createdAt: "1970-01-01T00:00:00Z", labels: {} };
const compose = (...files: readonly string[]) => {
  if (tekton?.compose === undefined) throw new Error("Bundles are composed");
  return tekton.compose(
    files.map((content, at) => ({ path: `file-${at}`, content: bytes(content) })),
    OPTIONS,
  );
};
const resource = (name: string, kind = "Task", apiVersion = "tekton.dev/v1") =>
  JSON.stringify({ apiVersion, kind, metadata: { name }, spec: {} });
const layer = (
  json: string,
  [apiVersion, kind, name]: readonly [string, string, string],
  content = gzip(encodeTarFile("any", bytes(json))),
): LooseBlob => ({
  mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  content,
  annotations: {
    "dev.tekton.image.apiVersion": apiVersion,
    "dev.tekton.image.kind": kind,
    "dev.tekton.image.name": name,
  },
});
const CONFIG = {
  mediaType: "application/vnd.docker.container.image.v1+json",
  content: bytes("{}"),
};
const known = (...layers: readonly LooseBlob[]) => describeLoose(tekton, CONFIG, layers);
const BUILD = ["v1", "task", "build"] as const;

const DIFF_IDS = [
  "sha256:52580b188b1684cce49822b65bbe8086bad96c9797bb499072b6cb37bee7c8de",
  "sha256:9895c4d6763d6d5131da1ebcc496695c885f25f314f68baf7bba109f8e39301b",
  "sha256:6d51102ab9e495b75e15dd7099f3bacd973101f763a156c8ae4e0e5fb913d1b3",
];
/** YAML of every turn that readers take differently. */
const TRICKY = `apiVersion: tekton.dev/v1
kind: Task
metadata:
  name: build
  annotations: {z: "1", a: "x<y>&z", "10": q, "9": r}
spec:
  params:
    - {name: a, default: "yes"}
    - {name: b, default: 2001-01-01}
    - {name: c, default: "12:30"}
  steps:
    - name: s
      image: alpine
      script: |
        #!/bin/sh
        echo "häł"
      onError: continue
      timeout: 1h
      securityContext: {runAsUser: 0644, privileged: yes}
---
apiVersion: tekton.dev/v1beta1
kind: Pipeline
metadata: {name: release}
spec:
  tasks:
    - &t {name: one, taskRef: {name: build}}
    - <<: *t
      name: two
`;
/** JSON with a name that is longer than ustar takes. */
const LONG = `  {"kind": "StepAction", "apiVersion": "tekton.dev/v1beta1",
 "metadata": {"name": "${"n".repeat(120)}"}, "spec": {"image": "a"}}
`;

describe("compose() of Tekton", () => {
  test("makes the config and the archives that tkn's own pkg/bundle made of the same files", () => {
    const bundle = compose(LONG, TRICKY);
    // Found by running BuildTektonBundle() of github.com/tektoncd/cli (August 2026).
    expect(JSON.parse(text(bundle.config.content))).toEqual({
      architecture: "",
      created: "1970-01-01T00:00:00Z",
      history: Array(3).fill({ created: "0001-01-01T00:00:00Z" }),
      os: "",
      rootfs: {
        type: "layers",
        diff_ids: DIFF_IDS,
      },
      config: {},
    });
    const unpacked = bundle.layers.map(({ content }) => digestOf(gunzip(content, 10_000)));
    expect(unpacked).toEqual(DIFF_IDS);
  });

  test("makes a layer of each resource, files in the order of their digests", () => {
    const yaml = `${resource("b")}\n---\n---\n# nothing\n---\n${resource("c", "Pipeline", "tekton.dev/v1beta1")}`;
    const one = resource("a");
    const bundle = compose(one, yaml);
    const names = bundle.layers.map(({ annotations }) => Object.values(annotations ?? {}));
    const wanted: readonly (readonly [string, readonly (readonly string[])[]])[] = [
      [one, [["v1", "task", "a"]]],
      [
        yaml,
        [
          ["v1", "task", "b"],
          ["v1beta1", "pipeline", "c"],
        ],
      ],
    ];
    const inOrder = [...wanted].sort(([a], [b]) =>
      digestOf(bytes(a)) < digestOf(bytes(b)) ? -1 : 1,
    );
    expect<unknown>(names).toEqual(inOrder.flatMap(([, each]) => each));
    expect(compose(yaml, one)).toEqual(bundle);
  });

  test("takes twenty resources, and refuses more, none, two of one name and what is not Tekton's", () => {
    const many = (count: number) => Array.from({ length: count }, (_, n) => resource(`t${n}`));
    expect(compose(...many(20)).layers).toHaveLength(20);
    for (const [files, why] of [
      [many(21), "at most 20"],
      [[many(21).join("\n---\n")], "at most 20"],
      [["# nothing"], "no resource"],
      [[resource("a"), `${resource("a")} `], "task/a stands there more than once"],
      [[resource("a", "Pod", "v1")], "no object of Tekton"],
      [[resource("a", "Task", "tekton.dev/x")], "no object of Tekton"],
      [[resource("a", "Taskling")], "no object of Tekton"],
      [[resource("../a")], "has no name"],
      [["[1]"], "no object"],
      [["a: [b"], "file-0"],
      [[`{"kind":"Task","kind":"Pod"}`], "file-0"],
      [["a: 12345678901234567890"], "cannot be kept exactly"],
      [["a: &a [*a]"], "file-0"],
    ] as const) {
      expect(() => compose(...files)).toThrow(why);
      expect(() => compose(...files)).toThrow(SyntaxError);
    }
  });

  test("keeps JSON as it is", () => {
    const spaced = `  ${resource("a").replaceAll(":", " : ")}\n`;
    const [first] = compose(spaced).layers;
    const [file] = readTar(gunzip(first?.content ?? bytes(""), 100_000));
    expect(text(file?.content ?? bytes(""))).toBe(spaced.trim());
  });
});

describe("describe() of Tekton", () => {
  test("lists what the layers hold, compressed or not, in JSON or YAML", async () => {
    const json = resource("build");
    const plain = encodeTarFile(
      "x",
      bytes("apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: b}"),
    );
    expect(await known(layer(json, BUILD), layer("", ["v1", "task", "b"], plain))).toEqual({
      resources: ["task/build v1", "task/b v1"],
    });
    const made = compose(json, resource("p", "Pipeline"));
    const found = await describeLoose(tekton, made.config, made.layers);
    expect([...(found["resources"] ?? [])].sort()).toEqual(["pipeline/p v1", "task/build v1"]);
  });

  test("refuses a layer that holds something else than it is called", async () => {
    const json = resource("build");
    const archive = encodeTarFile("x", bytes(json));
    const two = new Uint8Array([...archive.subarray(0, -1024), ...archive]);
    const bomb = gzip(encodeTarFile("x", new Uint8Array(3_000_000)));
    for (const [layers, why] of [
      [[layer(json, ["v1", "task", "other"])], 'holds the name "build"'],
      [[layer(json, ["v1", "pipeline", "build"])], 'holds the kind "task"'],
      [[layer(json, ["v1beta1", "task", "build"])], 'holds the version "v1"'],
      [[layer(json, ["v1", "Task", "build"])], 'holds the kind "task"'],
      [[layer("{}", BUILD)], "no object of Tekton"],
      [[layer(`${json}\n---\n${json}`, BUILD)], "does not hold one resource"],
      [[layer(json, BUILD), layer(json, BUILD)], "more than once"],
      [[layer("", BUILD, bytes(json))], "archive"],
      [[layer("", BUILD, gzip(two))], "does not hold one file"],
      [[layer("", BUILD, bomb)], "longer than"],
      [Array.from({ length: 21 }, () => layer(json, BUILD)), "at most 20"],
    ] as const) {
      const error = await known(...layers).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(SyntaxError);
      expect(`${error}`).toContain(why);
    }
  });

  test("recognizes only what is named in every layer", () => {
    const named = layer(resource("build"), BUILD);
    const { annotations: _, ...unnamed } = named;
    const told = (...layers: readonly LooseBlob[]) =>
      tekton?.recognizes?.(looseManifest(CONFIG, layers));
    expect([told(named), told(named, unnamed), told()]).toEqual([true, false, false]);
  });
});
