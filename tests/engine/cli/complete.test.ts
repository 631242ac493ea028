import { describe, expect, test } from "bun:test";
import { COMMANDS, GROUPS } from "../../../engine/cli/commands.ts";
import { complete } from "../../../engine/cli/complete.ts";
import { cli } from "./_cli.ts";

const words = (...line: string[]) => complete(line, COMMANDS, GROUPS).words.map(([word]) => word);
const also = (...line: string[]) => complete(line, COMMANDS, GROUPS).also;

describe("complete()", () => {
  test("knows commands and groups, and hides what cosign hides", () => {
    expect(words("verify")).toEqual([
      "verify",
      "verify-attestation",
      "verify-blob",
      "verify-blob-attestation",
    ]);
    expect(words("attach", "")).toEqual(["attestation", "sbom", "signature"]);
    expect(words("de")).toEqual(["demo"]);
    expect(words("nocommand", "")).toEqual([]);
  });

  test("knows flags, without deprecated and later ones", () => {
    expect(words("verify", "--out")).toEqual(["--output", "--output-file"]);
    expect(words("verify", "image", "--insecure")).toEqual([
      "--insecure-ignore-sct",
      "--insecure-ignore-tlog",
    ]);
    expect(words("verify", "--certificate-i")).toEqual([
      "--certificate-identity",
      "--certificate-identity-regexp",
    ]);
    expect(words("verify", "--sk")).toEqual(["--skip-unknown-platform"]);
    expect(words("verify", "--certificate-c")).toEqual([]);
    expect(words("verify", "--he")).toEqual(["--help"]);
  });

  test("knows the values of flags, in both spellings", () => {
    expect(words("sign", "--format", "")).toEqual(["legacy", "bundle", "both"]);
    expect(words("sign", "--format=b")).toEqual(["--format=bundle", "--format=both"]);
    expect(words("verify", "-o", "")).toEqual(["json", "text"]);
    expect(words("verify", "--check-claims=")).toEqual([
      "--check-claims=true",
      "--check-claims=false",
    ]);
    expect(words("copy", "--only", "sig,a")).toEqual(["sig,att"]);
    expect(words("triangulate", "--type", "s")).toEqual(["sbom", "signature"]);
  });

  test("leaves files and directories to the shell", () => {
    expect(also("verify", "--key", "")).toBe("files");
    expect(also("save", "--dir", "")).toBe("directories");
    expect(also("dockerfile", "verify", "")).toBe("files");
    expect(also("verify", "")).toBe("nothing");
    expect(words("completion", "")).toEqual(["bash", "zsh", "fish", "powershell"]);
    expect(words("verify", "--", "--out")).toEqual([]);
  });
});

test("__complete answers with a word a line, and then what the shell adds", async () => {
  expect(await cli(["__complete", "dockerfile", ""])).toEqual({
    code: 0,
    stdout: "verify\tVerify the images that a Dockerfile is built from\n:nothing\n",
    stderr: "",
  });
});
