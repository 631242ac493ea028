import { expect, test } from "bun:test";
import { signaturesJson, signaturesText, verificationHeader } from "../../../engine/cli/output.ts";
import type { SignatureFact } from "../../../engine/model/verdict.ts";

const DIGEST = "sha256:87c04c644699ac326d9d261a71cec66b515a63ad1f5d11acfbc34e70fefd1b0d";

function fact(optional: unknown): SignatureFact {
  return {
    format: "legacy",
    key: "cosign.pub",
    keyDigest: "sha256:0",
    annotations: {},
    payload: {
      critical: {
        identity: { "docker-reference": "127.0.0.1:5702/veca/legacy" },
        image: { "docker-manifest-digest": DIGEST },
        type: "cosign container image signature",
      },
      optional,
    },
  };
}

const CHECKED = { annotations: true, claims: true, logged: false, by: "key" } as const;

test("verificationHeader() tells of certificates and of a log in cosign's words", () => {
  const header = verificationHeader("r.example/a:1", {
    ...CHECKED,
    logged: "offline",
    by: "certificate",
  });
  expect(header).toContain(
    "  - Existence of the claims in the transparency log was verified offline\n" +
      "  - The code-signing certificate was verified using trusted certificate authority certificates\n",
  );
  expect(header).not.toContain("public key");
});

test("verificationHeader() tells of a log that was asked in cosign's words", () => {
  const online = { ...CHECKED, logged: "online" } as const;
  const present = "  - The claims were present in the transparency log\n";
  const integrated =
    "  - The signatures were integrated into the transparency log when the certificate was valid\n";
  const byKey = verificationHeader("r.example/a:1", online);
  expect(byKey).toContain(present);
  expect(byKey).not.toContain("certificate");
  expect(byKey).not.toContain("offline");
  expect(verificationHeader("r.example/a:1", { ...online, by: "certificate" })).toContain(
    present + integrated,
  );
});

test("verificationHeader() says what was checked, in cosign's words", () => {
  expect(verificationHeader("r.example/a:1", CHECKED)).toBe(
    "\nVerification for r.example/a:1 --\n" +
      "The following checks were performed on each of these signatures:\n" +
      "  - The specified annotations were verified.\n" +
      "  - The cosign claims were validated\n" +
      "  - The signatures were verified against the specified public key\n",
  );
});

test("verificationHeader() says nothing that was not checked", () => {
  const nothing = { ...CHECKED, annotations: false, claims: false };
  const header = verificationHeader("r.example/a:1", nothing);
  expect(header).not.toContain("annotations");
  expect(header).not.toContain("claims");
  expect(header).not.toContain("transparency log");
});

test("signaturesJson() prints the array of cosign, byte for byte", () => {
  // stdout of cosign 1.13.6, 2.6.4 and 3.1.2 for one signature with -a env=prod -a n=1
  expect(signaturesJson([fact({ env: "prod", n: "1" })])).toBe(
    `\n[{"critical":{"identity":{"docker-reference":"127.0.0.1:5702/veca/legacy"},"image":{"docker-manifest-digest":"${DIGEST}"},"type":"cosign container image signature"},"optional":{"env":"prod","n":"1"}}]\n`,
  );
  expect(signaturesJson([fact(null), fact(null)])).toContain('"optional":null},{"critical":');
});

test("signaturesText() prints a payload a line", () => {
  const text = signaturesText([fact(null), fact({ a: "<b>" })]);
  expect(text.split("\n")).toHaveLength(3);
  expect(text).toContain('"optional":{"a":"\\u003cb\\u003e"}}\n');
});

test("signaturesJson() prints no raw control characters, whatever was signed", () => {
  const hostile = { "k\u009b2J": "\u001b]0;owned\u0007\u202e" };
  const printed = signaturesJson([fact(hostile)]);
  expect(printed.slice(1, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
  expect(JSON.parse(printed)[0].optional).toEqual(hostile);
});
