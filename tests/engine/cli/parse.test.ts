import { describe, expect, test } from "bun:test";
import { nearest, parseFlags } from "../../../engine/cli/parse.ts";
import { CosignError } from "../../../engine/model/errors.ts";

const TABLE = {
  key: { type: "text", brief: "", short: "k" },
  recursive: { type: "bool", brief: "", short: "r" },
  force: { type: "bool", brief: "", short: "f" },
  upload: { type: "bool", brief: "", initial: true },
  annotations: { type: "list", brief: "", short: "a" },
  "registry-password": { type: "choice", values: ["x"], brief: "" },
  old: { type: "text", brief: "", deprecated: "use new" },
  older: { type: "bool", brief: "", deprecated: "use new too" },
} as const;

const parse = (...argv: string[]) => parseFlags(TABLE, argv, () => undefined);

function refusal(...argv: string[]): CosignError {
  try {
    parse(...argv);
  } catch (error) {
    if (error instanceof CosignError) return error;
  }
  throw new Error(`${argv.join(" ")} was taken`);
}

describe("parseFlags()", () => {
  test("takes --flag value, --flag=value, -f value, -fvalue and -f=value", () => {
    for (const argv of [["--key", "x"], ["--key=x"], ["-k", "x"], ["-kx"], ["-k=x"]]) {
      expect(parse(...argv).flags.key).toBe("x");
    }
  });

  test("takes a value that looks like a flag, is empty, has = or line breaks in it", () => {
    expect(parse("--key", "--force").flags).toMatchObject({ key: "--force", force: false });
    expect(parse("--key=").flags.key).toBe("");
    expect(parse("--key", "").flags.key).toBe("");
    expect(parse("--key=a=b").flags.key).toBe("a=b");
    expect(parse("--key=a\nb").flags.key).toBe("a\nb");
    expect(parse("-a=k=v").flags.annotations).toEqual(["k=v"]);
    expect(parse("-a", "k=v,w=x=y").flags.annotations).toEqual(["k=v", "w=x=y"]);
  });

  test("takes a truth value only behind =: the next word is an argument", () => {
    expect(parse("--recursive", "false")).toMatchObject({
      flags: { recursive: true },
      args: ["false"],
    });
    expect(parse("--upload=false").flags.upload).toBe(false);
    expect(parse("--upload=0").flags.upload).toBe(false);
    expect(parse("-r=f").flags.recursive).toBe(false);
    expect(parse().flags.upload).toBe(true);
  });

  test("takes one-letter flags together, a value behind the last", () => {
    expect(parse("-rf").flags).toMatchObject({ recursive: true, force: true });
    expect(parse("-rfk", "x").flags).toMatchObject({ recursive: true, force: true, key: "x" });
    expect(parse("-rkx").flags).toMatchObject({ recursive: true, key: "x" });
  });

  test("lets the last value count", () => {
    expect(parse("--key=a", "--key", "b").flags.key).toBe("b");
    expect(parse("-r", "--recursive=false").flags.recursive).toBe(false);
  });

  test("takes arguments anywhere, everything behind -- and a lone -", () => {
    expect(parse("a", "--force", "b", "-", "--", "--key", "-r")).toMatchObject({
      args: ["a", "b", "-", "--key", "-r"],
      flags: { force: true, recursive: false, key: undefined },
    });
  });

  test("knows which flags were given", () => {
    expect([...parse("--upload=true", "-r").given]).toEqual(["upload", "recursive"]);
  });

  test("sees a wish for help where a flag may stand", () => {
    expect(parse("--help").help).toBe(true);
    expect(parse("-rh").help).toBe(true);
    expect(parse("--key", "--help").help).toBe(false);
    expect(parse("--", "-h").help).toBe(false);
  });

  test("refuses in pflag's words", () => {
    for (const [argv, message] of [
      [["--nope"], "unknown flag: --nope"],
      [["--nope=1"], "unknown flag: --nope"],
      [["-z"], "unknown shorthand flag: 'z' in -z"],
      [["-rz"], "unknown shorthand flag: 'z' in -rz"],
      [["--key"], "flag needs an argument: --key"],
      [["-k"], "flag needs an argument: 'k' in -k"],
      [["---key"], "bad flag syntax: ---key"],
      [["--=x"], "bad flag syntax: --=x"],
      [
        ["--upload=x"],
        'invalid argument "x" for "--upload" flag: strconv.ParseBool: parsing "x": invalid syntax',
      ],
      [
        ["-r=x"],
        'invalid argument "x" for "-r, --recursive" flag: strconv.ParseBool: parsing "x": invalid syntax',
      ],
      [["--__proto__=x"], "unknown flag: --__proto__"],
      [["--constructor"], "unknown flag: --constructor"],
    ] as const) {
      const error = refusal(...argv);
      expect(error.message).toBe(message);
      expect(error.code).toBe("USAGE");
    }
  });

  test("suggests what was likely meant", () => {
    expect(refusal("--anotations").hint).toBe("Did you mean --annotations?");
    expect(refusal("--whatever").hint).toBeUndefined();
  });

  test("does not repeat passwords", () => {
    const error = refusal("--registry-password=hunter2");
    expect(error.message).not.toContain("hunter2");
  });

  test("takes from the environment what the line does not give", () => {
    const variables = (name: string) =>
      ({
        key: { variable: "COSIGN_KEY", value: "env.key" },
        annotations: { variable: "COSIGN_ANNOTATIONS", value: "a=1,b=2" },
        upload: { variable: "COSIGN_UPLOAD", value: "false" },
      })[name];
    const parsed = parseFlags(TABLE, ["--upload"], variables);
    expect(parsed.flags).toMatchObject({
      key: "env.key",
      annotations: ["a=1", "b=2"],
      upload: true,
    });
    expect([...parsed.given].sort()).toEqual(["annotations", "key", "upload"]);
  });

  test("names the variable that holds a wrong value", () => {
    expect(() =>
      parseFlags(TABLE, [], (name) =>
        name === "upload" ? { variable: "COSIGN_UPLOAD", value: "perhaps" } : undefined,
      ),
    ).toThrow("COSIGN_UPLOAD");
  });

  test("tells of deprecated flags in the order in which they were given", () => {
    expect(parse("--older", "--key=x", "--old=y", "--older").deprecations).toEqual([
      "Flag --older has been deprecated, use new too",
      "Flag --old has been deprecated, use new",
    ]);
  });
});

test("nearest() finds a word two letters away at most, and none for short ones", () => {
  expect(nearest("veify", ["sign", "verify"])).toBe("verify");
  expect(nearest("verfiy", ["sign", "verify"])).toBe("verify");
  expect(nearest("xy", ["ab"])).toBeUndefined();
});
