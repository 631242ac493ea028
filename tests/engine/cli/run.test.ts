import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { printError } from "../../../engine/cli/run.ts";
import { CosignError } from "../../../engine/model/errors.ts";
import { cli } from "./_cli.ts";

const dir = mkdtempSync(join(tmpdir(), "cli-"));
afterAll(() => rmSync(dir, { recursive: true }));
const IMAGE = "registry.invalid/a/b:1";

/** The last line of stderr but for the hint: what scripts look at. */
async function codeOf(argv: readonly string[], env: Record<string, string> = {}) {
  const { code, stderr, stdout } = await cli(argv, env);
  expect(stdout).toBe("");
  return [code, /^code: (\w+)$/m.exec(stderr)?.[1], /^Error: (.*)$/m.exec(stderr)?.[1]] as const;
}

describe("runCli()", () => {
  test("prints an error in cosign's two lines, then the hint and the code", async () => {
    expect(await cli(["sign"])).toEqual({
      code: 2,
      stdout: "",
      stderr:
        "Error: requires at least 1 arg(s), only received 0\n" +
        "error during command execution: requires at least 1 arg(s), only received 0\n" +
        "hint: Name an image\n" +
        "code: USAGE\n",
    });
  });

  test("ends with 2 for what it cannot read", async () => {
    for (const [argv, message] of [
      [["verify", "--nope", "x"], "unknown flag: --nope"],
      [["verify", "-z"], "unknown shorthand flag: 'z' in -z"],
      [["nocommand"], 'unknown command "nocommand" for "cosign-ts"'],
      [["registry", "fly"], 'unknown command "fly" for "cosign-ts registry"'],
      [["--nope"], "unknown flag: --nope"],
      [["version", "x"], "accepts at most 0 arg(s), received 1"],
      [
        ["verify", "--timeout", "5", "x"],
        'invalid argument "5" for "-t, --timeout" flag: time: missing unit in duration "5"',
      ],
      [
        ["sign", "--registry-referrers-mode", "foo", "x"],
        'invalid argument "foo" for "--registry-referrers-mode" flag: must be one of "legacy", "oci-1-1"',
      ],
      [
        ["version", "--compat", "4"],
        'invalid argument "4" for "--compat" flag: must be one of "1", "2", "3"',
      ],
    ] as const) {
      expect(await codeOf(argv)).toEqual([2, "USAGE", message]);
    }
  });

  test("ends with 1 for every error when generation 1, 2 or 3 is named and cosign has no number", async () => {
    expect((await cli(["verify", "--nope", "--compat", "1"])).code).toBe(1);
    expect((await cli(["verify", "--nope", "--compat=3"])).code).toBe(1);
    expect((await cli(["verify"], { COSIGN_COMPAT: "2" })).code).toBe(1);
    expect((await cli(["verify"], { COSIGN_COMPAT: "9" })).code).toBe(2);
  });

  test("shows help on stdout: for no arguments, -h, --help, help and groups", async () => {
    for (const argv of [[], ["--help"], ["-h"], ["help"]]) {
      const { code, stdout, stderr } = await cli(argv);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain("COMMANDS");
      expect(stdout).toContain("verify");
    }
    for (const argv of [
      ["help", "verify"],
      ["verify", "--help"],
      ["verify", "x", "-h"],
    ]) {
      const { code, stdout } = await cli(argv);
      expect(code).toBe(0);
      expect(stdout).toContain("--insecure-ignore-tlog");
      // What a later version has is listed, and said to be.
      expect(stdout).toMatch(/--sk .*; not in this version: refused$/m);
    }
    expect((await cli(["registry"])).stdout).toContain("serve");
  });

  test("prints what a later version has as unavailable", async () => {
    for (const name of ["piv-tool set-pin", "pkcs11-tool list-tokens"]) {
      expect(await codeOf(name.split(" "))).toEqual([
        1,
        "FEATURE_UNAVAILABLE",
        `The command "${name}" is not available in this version`,
      ]);
    }
  });

  test("refuses the policies of cosign 1.x for good, and says why", async () => {
    for (const name of ["policy init", "policy sign"]) {
      const [code, word, message] = await codeOf([...name.split(" "), "--namespace", "x"]);
      expect([code, word]).toEqual([2, "USAGE"]);
      expect(message).toContain("cosign itself took it out in 2.0");
    }
  });

  test("refuses variables that change what runs or what is trusted, whatever the command", async () => {
    expect((await codeOf(["version"], { NODE_TLS_REJECT_UNAUTHORIZED: "0" })).slice(0, 2)).toEqual([
      2,
      "ENVIRONMENT_REFUSED",
    ]);
    expect((await codeOf([], { BUN_OPTIONS: "--preload=x" }))[1]).toBe("ENVIRONMENT_REFUSED");
  });

  test("refuses in every command what a later version has", async () => {
    for (const argv of [["public-key", "--sk"]]) {
      expect((await codeOf(argv)).slice(0, 2)).toEqual([1, "FEATURE_UNAVAILABLE"]);
    }
  });

  test("writes stdout to --output-file, by flag or by variable", async () => {
    const file = join(dir, "out.txt");
    expect(await cli(["version", "--output-file", file])).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect(readFileSync(file, "utf8")).toContain("GitVersion:");
    const failed = await codeOf(["version", "--output-file", join(dir, "no", "file")]);
    expect(failed.slice(0, 2)).toEqual([1, "FILE_WRITE"]);
  });

  test("takes flags that the line does not give from COSIGN_<FLAG>", async () => {
    const env = { COSIGN_KEY: join(dir, "absent.pub"), COSIGN_INSECURE_IGNORE_TLOG: "true" };
    expect((await codeOf(["verify", IMAGE], env))[1]).toBe("KEY_NOT_FOUND");
    expect((await codeOf(["verify", IMAGE], { ...env, COSIGN_KEY: "" }))[1]).toBe("USAGE");
    expect((await codeOf(["verify", IMAGE], { ...env, COSIGN_CHECK_CLAIMS: "x" }))[2]).toContain(
      "COSIGN_CHECK_CLAIMS",
    );
    expect((await codeOf(["verify", "--key=other.pub", IMAGE], env))[2]).toContain("other.pub");
    expect((await cli(["version"], { COSIGN_JSON: "true" })).stdout).not.toContain("{");
  });

  test("tells of deprecated flags as cosign 3.1, and not in the older generations", async () => {
    const quiet = ["--tlog-upload=false", "--new-bundle-format=false"];
    const argv = ["sign", ...quiet, "--key", join(dir, "absent.key"), IMAGE];
    const told =
      "Flag --tlog-upload has been deprecated, prefer using a --signing-config file with no transparency log services\n" +
      "Flag --new-bundle-format has been deprecated, this will be the only supported format in future versions\n";
    expect((await cli(argv)).stderr).toStartWith(told);
    expect((await cli(["--compat", "2", ...argv])).stderr).not.toContain("deprecated");
  });

  test("warns of old spellings before anything else", async () => {
    expect((await cli(["version", "-json"])).stderr).toBe(
      "WARNING: the -json flag is deprecated and will be removed in a future release. Please use the --json flag instead.\n",
    );
  });
});

describe("sign", () => {
  const sign = (argv: readonly string[], env: Record<string, string> = {}) =>
    codeOf(["sign", ...argv], env);

  test("needs exactly one key in generation 1", async () => {
    const message =
      "exactly one of: key reference (--key), or hardware token (--sk) must be provided";
    expect(await sign(["--compat=1", IMAGE])).toEqual([1, "USAGE", message]);
    expect(await sign(["--key", "k", "--sk", IMAGE])).toEqual([2, "USAGE", message]);
  });

  test("says that hardware tokens come later", async () => {
    expect((await sign(["--sk", IMAGE]))[1]).toBe("FEATURE_UNAVAILABLE");
  });

  test("refuses what asks for a later version, not what asks for nothing", async () => {
    const rest = ["--tlog-upload=false", "--key", join(dir, "absent.key"), IMAGE];
    expect((await sign(["--registry-referrers-mode=oci-1-1", ...rest])).slice(1)).toEqual([
      "USAGE",
      'in order to use mode "oci-1-1" for referrers, the environment variable COSIGN_EXPERIMENTAL must be set to 1',
    ]);
    for (const flag of [
      "--k8s-keychain",
      "--k8s-keychain=false",
      "--use-signing-config=false",
      "--signing-config=",
      "--timestamp-server-url=",
      "--registry-referrers-mode=legacy",
      "--rekor-url=https://rekor.invalid",
      "--fulcio-url=https://fulcio.invalid",
      "--oidc-issuer=https://oidc.invalid",
      "--identity-token=t",
      "--insecure-skip-verify",
      "--yes",
      "-y",
      "-f",
      "--slot=signature",
    ]) {
      expect([flag, (await sign([flag, ...rest]))[1]]).toEqual([flag, "KEY_NOT_FOUND"]);
    }
  });

  test("opens the key before any service is asked", async () => {
    const key = ["--key", join(dir, "absent.key"), IMAGE];
    for (const argv of [
      key,
      ["--compat=2", ...key],
      ["--tlog-upload", "--compat=1", ...key],
      ["--signing-config=absent.json", ...key],
      ["--use-signing-config", ...key],
      ["--timestamp-server-url=http://127.0.0.1:1", ...key],
      ["--issue-certificate", ...key],
      ["--certificate=c", "--certificate-chain=c", ...key],
    ]) {
      expect((await sign(argv))[1]).toBe("KEY_NOT_FOUND");
    }
  });

  test("does without the log where nobody asks for it", async () => {
    const key = ["--key", join(dir, "absent.key"), IMAGE];
    for (const argv of [
      ["--tlog-upload=false", ...key],
      ["--no-tlog-upload", ...key],
      ["--compat=1", ...key],
      ["--compat=2", "--tlog-upload=false", ...key],
    ]) {
      expect((await sign(argv))[1]).toBe("KEY_NOT_FOUND");
    }
  });

  test("refuses flags that contradict one another or the format", async () => {
    const key = ["--tlog-upload=false", "--key", "k", IMAGE];
    for (const [argv, message] of [
      [
        ["--upload=false"],
        "must enable upload to the OCI registry or specify a local --bundle path with --new-bundle-format",
      ],
      [["--format=legacy", "--bundle=b"], "--bundle needs the bundle format"],
      [["--payload=p"], "--payload needs the legacy format"],
      [["--attachment=foo"], "specified image attachment foo not specified. Can be 'sbom'"],
      [["-a", "novalue"], "unable to parse annotation: novalue"],
      [
        ["--signing-config=c", "--rekor-url=r"],
        "cannot specify service URLs and use signing config",
      ],
      [["--certificate-chain=c"], "--certificate-chain needs --certificate"],
      [["--registry-username=u"], "--registry-username and --registry-password belong together"],
    ] as const) {
      expect(await sign([...argv, ...key])).toEqual([2, "USAGE", message]);
    }
    expect((await sign(["--output-signature=s", "--format=legacy", "a", ...key]))[1]).toBe("USAGE");
  });

  test("says that files of the legacy format are ignored with bundles", async () => {
    const { stderr } = await cli([
      "sign",
      "--tlog-upload=false",
      "--key=k",
      "--output-signature=s",
      IMAGE,
    ]);
    expect(stderr).toContain(
      "--output-signature is deprecated when using --new-bundle-format and will be ignored",
    );
  });

  test("refuses a reference that is none before it asks for a password", async () => {
    const result = await sign(["--tlog-upload=false", "--key", "k", IMAGE, "UPPER/case"]);
    expect(result.slice(0, 2)).toEqual([2, "REFERENCE_INVALID"]);
  });
});

describe("verify", () => {
  const verify = (argv: readonly string[], env: Record<string, string> = {}) =>
    codeOf(["verify", ...argv], env);

  test("says cosign's own words about keys and identities", async () => {
    for (const [argv, code, message] of [
      [
        [IMAGE],
        "USAGE",
        "--certificate-identity or --certificate-identity-regexp is required for verification in keyless mode",
      ],
      [
        ["--certificate-identity=a", IMAGE],
        "USAGE",
        "--certificate-oidc-issuer or --certificate-oidc-issuer-regexp is required for verification in keyless mode",
      ],
      [
        ["--compat=1", IMAGE],
        "USAGE",
        "exactly one of: key reference (--key), certificate (--cert) or hardware token (--sk) must be provided",
      ],
      [
        ["--key=k", "--sk", IMAGE],
        "USAGE",
        "exactly one of: key reference (--key), certificate (--cert) or hardware token (--sk) must be provided",
      ],
      [
        ["--key=k", "--certificate-identity=a", IMAGE],
        "USAGE",
        "exactly one of: key reference (--key) or certificate identity (--certificate-identity or --certificate-identity-regexp), must be provided. To determine which to use, inspect the bundle's 'verificationMaterial' field: if 'publicKey' is present, use key reference; if 'certificate' or 'x509CertificateChain' is present, use certificate identity",
      ],
    ] as const) {
      expect((await verify(argv)).slice(1)).toEqual([code, message]);
    }
  });

  test("refuses what asks for a later version, not what asks for nothing", async () => {
    const rest = ["--insecure-ignore-tlog", "--key", join(dir, "absent.pub"), IMAGE];
    for (const flag of [
      "--k8s-keychain",
      "--offline",
      "--insecure-ignore-sct",
      "--max-workers=3",
      "--new-bundle-format",
      "--new-bundle-format=false",
      "--experimental-oci11",
      "--experimental-oci11=false",
      "--rekor-url=https://rekor.invalid",
      "--private-infrastructure",
    ]) {
      expect([flag, (await verify([flag, ...rest]))[1]]).toEqual([flag, "KEY_NOT_FOUND"]);
    }
  });

  test("warns that the log is not looked at, unless the infrastructure is private", async () => {
    const warning =
      "WARNING: Skipping tlog verification is an insecure practice that lacks transparency and auditability verification for the signature.\n";
    const rest = ["--insecure-ignore-tlog=true", "--key", "absent.pub", IMAGE];
    expect((await cli(["verify", ...rest])).stderr).toStartWith(warning);
    expect((await cli(["verify", "--private-infrastructure", ...rest])).stderr).not.toContain(
      "Skipping tlog",
    );
  });

  test("refuses in cosign's words", async () => {
    const rest = ["--insecure-ignore-tlog", "--key", "absent.pub", IMAGE];
    for (const [flag, message] of [
      ["--max-workers=0", "please set the --max-worker flag to a value that is greater than 0"],
      ["--attachment=foo", "specified image attachment foo not specified. Can be 'sbom'"],
      ["--signature-digest-algorithm=md5", "unknown digest algorithm: md5"],
      ["-a=novalue", "unable to parse annotation: novalue"],
      ["--recursive-policy=leaf", "--recursive-policy needs --recursive"],
    ] as const) {
      expect((await verify([flag, ...rest])).slice(1)).toEqual(["USAGE", message]);
    }
  });

  test("wants a trusted root that is named to be there", async () => {
    const rest = ["--insecure-ignore-tlog", "--key", "absent.pub", IMAGE];
    expect((await verify([`--trusted-root=${join(dir, "no.json")}`, ...rest]))[1]).toBe(
      "FILE_READ",
    );
    const there = join(dir, "root.json");
    writeFileSync(there, "{}");
    expect((await verify([`--trusted-root=${there}`, ...rest]))[1]).toBe("TRUST_INVALID");
    writeFileSync(
      there,
      '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}',
    );
    expect((await verify([`--trusted-root=${there}`, ...rest]))[1]).toBe("KEY_NOT_FOUND");
  });
});

describe("printError()", () => {
  const print = (error: unknown, legacyPath?: boolean) => {
    const lines: string[] = [];
    const code = printError(error, 2, { write: (text) => lines.push(text) }, legacyPath);
    return { code, text: lines.join("") };
  };

  test("spells out what could steer a terminal, and indents further lines", () => {
    const error = new CosignError(
      "REGISTRY_PROTOCOL",
      "bad \u001b[2J\u009b text\ncode: OK\r\n\u202e",
    );
    expect(print(error).text).toBe(
      "Error: bad \\u001b[2J\\u009b text\n  code: OK\n  \\u202e\n" +
        "error during command execution: bad \\u001b[2J\\u009b text\n  code: OK\n  \\u202e\n" +
        "code: REGISTRY_PROTOCOL\n",
    );
  });

  test("gives the generation's number only for answers of the legacy format", () => {
    const error = new CosignError("NO_SIGNATURES", "no signatures found");
    expect(print(error).code).toBe(10);
    expect(print(error, false).code).toBe(1);
  });
});
