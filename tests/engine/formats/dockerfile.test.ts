import { describe, expect, test } from "bun:test";
import { imagesOfDockerfile } from "../../../engine/formats/dockerfile.ts";

const read = (
  text: string,
  env: Readonly<Record<string, string>> = {},
  buildArgs: ReadonlyMap<string, string> = new Map(),
) => imagesOfDockerfile(text, { env, buildArgs });

describe("imagesOfDockerfile()", () => {
  test("finds FROM and COPY --from, in the order of the file", () => {
    const found = read(
      "FROM --platform=linux/amd64 gcr.io/a/build:1 AS build\nRUN make\nFROM gcr.io/a/base@sha256:00\nCOPY --from=build /x /x\nCOPY --chown=1:1 --from=gcr.io/a/tool:2 /y /y\n",
    );
    expect(found.images).toEqual([
      "gcr.io/a/build:1",
      "gcr.io/a/base@sha256:00",
      "gcr.io/a/tool:2",
    ]);
    expect(found.base).toBe("gcr.io/a/base@sha256:00");
  });

  test("passes over scratch and earlier stages, in cosign's words", () => {
    const found = read(
      "FROM scratch\nFROM a AS one\nFROM one AS two\nFROM two\nCOPY --from=ONE x x\n",
    );
    expect(found).toEqual({
      images: ["a"],
      base: "a",
      notes: [
        "- scratch image ignored",
        "- stage reference ignored: one",
        "- stage reference ignored: two",
      ],
    });
  });

  test("says of a last stage on scratch that it stands on nothing", () => {
    expect(read("FROM a AS one\nFROM scratch\nCOPY --from=one x x\n").base).toBeUndefined();
  });

  test("takes a number in COPY --from as a stage, and what is no stage as an image", () => {
    expect(
      read("FROM a\nFROM b\nCOPY --from=0 x x\nCOPY --from=later x x\nFROM c AS later\n").images,
    ).toEqual(["a", "b", "later", "c"]);
  });

  test("finds the images that RUN mounts", () => {
    expect(
      read("FROM a AS s\nRUN --mount=type=bind,from=tool:1,target=/t --mount=from=s,target=/s x\n")
        .images,
    ).toEqual(["a", "tool:1"]);
  });

  test("expands ARG, ENV and the environment, and build arguments before all", () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: so Dockerfiles write variables
    const text = "ARG R=gcr.io\nARG T\nENV N=app\nFROM $R/${N}:${T:-1}\n";
    expect(read(text).images).toEqual(["gcr.io/app:1"]);
    expect(read(text, { T: "2", R: "other" }).images).toEqual(["gcr.io/app:2"]);
    expect(read(text, {}, new Map([["R", "quay.io"]])).images).toEqual(["quay.io/app:1"]);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: so Dockerfiles write variables
    expect(read("FROM a:${T:+x}y\n", { T: "1" }).images).toEqual(["a:xy"]);
    expect(read(`ARG A="a b" B='c'\nENV OLD old style\nFROM $B\n`).images).toEqual(["c"]);
  });

  test("keeps the value of a global ARG when a stage has one of the same name", () => {
    expect(read("ARG V=1\nFROM a:$V\nARG V=2\nENV V=3\nFROM b:$V\n").images).toEqual([
      "a:1",
      "b:1",
    ]);
  });

  test("reads continued lines, comments, other escapes and here-documents as a build does", () => {
    expect(
      read("# FROM x\nFROM \\\n  # no\n\n  --platform=linux/arm64 \\\n  a:1\n").images,
    ).toEqual(["a:1"]);
    expect(read("# escape=`\nFROM `\n a\nRUN dir C:\\\nFROM b\n").images).toEqual(["a", "b"]);
    expect(
      read("FROM a\nRUN <<EOF cat <<-'TWO'\nFROM evil\nEOF\n\tFROM evil\n\tTWO\nFROM b\n").images,
    ).toEqual(["a", "b"]);
    expect(read("\uFEFFfrom a as b\r\ncopy --from=c x y\r\n").images).toEqual(["a", "c"]);
    expect(read("FROM a\nLABEL x='FROM y'\n").images).toEqual(["a"]);
  });

  test("refuses a line that names no image, and AS without a name", () => {
    expect(() => read("FROM\n")).toThrow(
      'no image found in line "FROM" (is a build arg missing from the environment?)',
    );
    expect(() => read("FROM $NOWHERE\n")).toThrow("is a build arg missing from the environment?");
    expect(() => read("FROM $NOWHERE AS x\n")).toThrow("is a build arg missing");
    expect(() => read("FROM a AS\n")).toThrow('expected stage name after "AS" in line "FROM a AS"');
  });

  test("takes no quadratic time for a long file", () => {
    const text = "FROM a AS b\nRUN x \\\n y\n".repeat(20_000);
    expect(read(text).images.length).toBe(20_000);
  });
});
