import { afterAll, beforeAll, describe, expect, setDefaultTimeout } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  createHash,
  createPublicKey,
  type KeyObject,
  verify as verifyNatively,
  X509Certificate,
} from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import { paeOf } from "../../../support/openssl.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import { requires } from "../../../support/requires.ts";
import { type Sigstore, startSigstore } from "../../../support/sigstore_server.ts";
import { pushImage } from "../../../support/uploads.ts";
import { cli } from "../_cli.ts";

setDefaultTimeout(120_000); // stretching passwords on a busy machine
const test = requires("openssl");
const dir = mkdtempSync(join(tmpdir(), "cli-legacy-"));
const at = (name: string) => join(dir, name);
const read = (name: string) => readFileSync(at(name), "utf8");
let sigstore: Sigstore;
let registry: TestRegistry;
let images = 0;

beforeAll(async () => {
  sigstore = await startSigstore();
  registry = await startEmbeddedRegistry();
  writeFileSync(at("blob"), "a file\n");
  writeFileSync(at("predicate.json"), '{"built": true}');
  writeFileSync(at("fulcio.pem"), sigstore.fulcio.chain.map(({ pem }) => pem).join(""));
  writeFileSync(at("rekor.pub"), pemOf(sigstore.rekor.publicKey));
  writeFileSync(at("ct.pub"), pemOf(createPublicKey(sigstore.fulcio.ctLogKey)));
  expect((await cli(["generate-key-pair", "--output-key-prefix", at("k")], ENV(3))).code).toBe(0);
});

afterAll(async () => {
  await registry.close();
  await sigstore.close();
  rmSync(dir, { recursive: true });
});

const pemOf = (key: KeyObject) => key.export({ format: "pem", type: "spki" });

type Generation = 1 | 2 | 3;
type Who = "key" | "certificate";
const GENERATIONS = [1, 2, 3] as const;
const EVERY = GENERATIONS.flatMap((generation) =>
  (["key", "certificate"] as const).map((who) => [who, generation] as const),
);

/** Old bundles of files are verified by authorities that the environment names, as in cosign. */
const ENV = (generation: Generation) => ({
  COSIGN_PASSWORD: "",
  SIGSTORE_ROOT_FILE: at("fulcio.pem"),
  SIGSTORE_REKOR_PUBLIC_KEY: at("rekor.pub"),
  SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: at("ct.pub"),
  ...(generation === 1 ? { COSIGN_EXPERIMENTAL: "1" } : {}),
});
const compat = (generation: Generation) => [
  `--compat=${generation}`,
  ...(generation === 3 ? ["--new-bundle-format=false"] : []),
];
const trust = () => ["--trusted-root", sigstore.trustedRootPath];
const signer = (who: Who, generation: Generation) => [
  ...compat(generation),
  ...trust(),
  ...(who === "key" ? ["--key", at("k.key")] : ["--identity-token", sigstore.oidcToken()]),
  ...["--fulcio-url", sigstore.fulcioUrl, "--rekor-url", sigstore.rekorUrl],
  ...["--oidc-issuer", sigstore.issuerUrl, "--timestamp-server-url", sigstore.tsaUrl, "--yes"],
];
const verifier = (who: Who, generation: Generation, identity = "mail@example.com") => [
  ...compat(generation),
  ...["--rekor-url", sigstore.rekorUrl],
  ...(who === "key"
    ? ["--key", at("k.pub")]
    : ["--certificate-identity", identity, "--certificate-oidc-issuer", sigstore.issuerUrl]),
];

async function ok(generation: Generation, ...argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(argv, ENV(generation));
  expect([argv[0], code, stderr]).toEqual([argv[0], 0, stderr]);
  return stdout;
}

const newImage = async () => {
  const name = `${registry.host}/legacy/${++images}`;
  return `${name}@${await pushImage(registry.host, `legacy/${images}`, "1", `image ${images}`)}`;
};

interface Layer {
  readonly mediaType: string;
  readonly digest: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The only layer at a companion tag, and what is in it. */
async function layerOf(image: string, suffix: "sig" | "att") {
  const [, name = "", digest = ""] = /^[^/]+\/(.+)@(.+)$/.exec(image) ?? [];
  const base = `http://${registry.host}/v2/${name}`;
  const tag = `${digest.replace(":", "-")}.${suffix}`;
  const accept = "application/vnd.oci.image.manifest.v1+json";
  const answer = await fetch(`${base}/manifests/${tag}`, { headers: { accept } });
  const { layers } = (await answer.json()) as { readonly layers: readonly Layer[] };
  expect(layers.length).toBe(1);
  const [layer] = layers as [Layer];
  const content = await (await fetch(`${base}/blobs/${layer.digest}`)).bytes();
  return { ...layer, content };
}

/** What stands in annotations and old bundles of an entry: `SignedEntryTimestamp` and `Payload`. */
interface Promised {
  readonly SignedEntryTimestamp: string;
  readonly Payload: {
    readonly body: string;
    readonly integratedTime: number;
    readonly logIndex: number;
    readonly logID: string;
  };
}

/** Checks the log's promise as its standard says, and answers what it is about. */
function promisedBody({ SignedEntryTimestamp, Payload }: Promised) {
  const { body, integratedTime, logIndex, logID } = Payload;
  expect(logID).toBe(Buffer.from(sigstore.rekor.keyId).toString("hex"));
  const message = Buffer.from(JSON.stringify({ body, integratedTime, logID, logIndex }));
  const promise = Buffer.from(SignedEntryTimestamp, "base64");
  expect(verifyNatively("sha256", message, sigstore.rekor.publicKey, promise)).toBe(true);
  return JSON.parse(Buffer.from(body, "base64").toString());
}

/** OpenSSL checks a timestamp over a message; throws what it says. */
function checkTimestamp(json: string, message: Uint8Array): void {
  const { SignedRFC3161Timestamp } = JSON.parse(json);
  writeFileSync(at("reply.tsr"), Buffer.from(SignedRFC3161Timestamp, "base64"));
  writeFileSync(at("stamped"), message);
  const [, root] = sigstore.tsa.chain;
  writeFileSync(at("tsa.pem"), root?.pem ?? "");
  const argv = ["ts", "-verify", "-in", at("reply.tsr"), "-data", at("stamped")];
  const { status, stderr } = spawnSync("openssl", [...argv, "-CAfile", at("tsa.pem")]);
  expect([status, String(stderr)]).toEqual([0, String(stderr)]);
}

/** Checks that a certificate is by Fulcio, and that it says who signed. */
function checkCertificate(pem: string, chainPem?: string): X509Certificate {
  const certificate = new X509Certificate(pem);
  const [issuer, root] = sigstore.fulcio.chain;
  expect(certificate.verify(new X509Certificate(issuer?.pem ?? "").publicKey)).toBe(true);
  expect(certificate.subjectAltName).toBe("email:mail@example.com");
  if (chainPem !== undefined) expect(chainPem).toBe(`${issuer?.pem}${root?.pem}`);
  return certificate;
}

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");
const keyOf = (who: Who, pem: string | undefined) =>
  who === "key" ? read("k.pub") : checkCertificate(pem ?? "").publicKey;
const MATERIAL = [
  "dev.sigstore.cosign/bundle",
  "dev.sigstore.cosign/certificate",
  "dev.sigstore.cosign/chain",
  "dev.sigstore.cosign/rfc3161timestamp",
];
const annotationsOf = (who: Who, ...more: readonly string[]) =>
  [...MATERIAL.filter((name) => who === "certificate" || !/certificate|chain/.test(name))]
    .concat("dev.cosignproject.cosign/signature", more)
    .sort();

describe("sign, with what vouches for it in annotations", () => {
  test.each(EVERY)("by a %s, generation %d", async (who, generation) => {
    const image = await newImage();
    await ok(generation, "sign", ...signer(who, generation), image);

    const { content, annotations } = await layerOf(image, "sig");
    expect(Object.keys(annotations).sort()).toEqual(annotationsOf(who));
    const signature = Buffer.from(
      annotations["dev.cosignproject.cosign/signature"] ?? "",
      "base64",
    );
    const pem = annotations["dev.sigstore.cosign/certificate"];
    if (pem !== undefined) checkCertificate(pem, annotations["dev.sigstore.cosign/chain"]);
    expect(verifyNatively("sha256", content, keyOf(who, pem), signature)).toBe(true);
    checkTimestamp(annotations["dev.sigstore.cosign/rfc3161timestamp"] ?? "", signature);
    expect(promisedBody(JSON.parse(annotations["dev.sigstore.cosign/bundle"] ?? ""))).toEqual({
      apiVersion: "0.0.1",
      kind: "hashedrekord",
      spec: {
        data: { hash: { algorithm: "sha256", value: sha256(content) } },
        signature: {
          content: signature.toString("base64"),
          publicKey: { content: btoa(pem ?? read("k.pub")) },
        },
      },
    });

    const online = verifier(who, generation);
    for (const flags of [online, [...online, "--offline"]]) {
      await ok(generation, "verify", ...flags, ...trust(), "--use-signed-timestamps", image);
    }
    if (who === "key") return;
    const others = verifier(who, generation, "somebody@example.com");
    expect((await cli(["verify", ...others, ...trust(), image], ENV(generation))).code).not.toBe(0);
  });
});

describe("attest, with what vouches for it in annotations", () => {
  test.each(EVERY)("by a %s, generation %d", async (who, generation) => {
    const image = await newImage();
    const predicate = ["--type=https://example.com/built", "--predicate", at("predicate.json")];
    await ok(generation, "attest", ...signer(who, generation), ...predicate, image);

    const { content, annotations } = await layerOf(image, "att");
    expect(Object.keys(annotations).sort()).toEqual(
      annotationsOf(who, ...(generation === 1 ? [] : ["predicateType"])),
    );
    expect(annotations["dev.cosignproject.cosign/signature"]).toBe("");
    const pem = annotations["dev.sigstore.cosign/certificate"];
    const envelope = JSON.parse(Buffer.from(content).toString());
    const payload = Buffer.from(envelope.payload, "base64");
    const signature = Buffer.from(envelope.signatures[0].sig, "base64");
    const signed = paeOf(envelope.payloadType, payload);
    expect(verifyNatively("sha256", signed, keyOf(who, pem), signature)).toBe(true);
    checkTimestamp(annotations["dev.sigstore.cosign/rfc3161timestamp"] ?? "", content);
    const body = promisedBody(JSON.parse(annotations["dev.sigstore.cosign/bundle"] ?? ""));
    const verifierPem = btoa(pem ?? read("k.pub"));
    if (generation === 1) {
      expect(body).toMatchObject({
        apiVersion: "0.0.1",
        kind: "intoto",
        spec: {
          content: { payloadHash: { algorithm: "sha256", value: sha256(payload) } },
          publicKey: verifierPem,
        },
      });
    } else {
      expect(body).toEqual({
        apiVersion: "0.0.1",
        kind: "dsse",
        spec: {
          envelopeHash: { algorithm: "sha256", value: sha256(content) },
          payloadHash: { algorithm: "sha256", value: sha256(payload) },
          signatures: [{ signature: envelope.signatures[0].sig, verifier: verifierPem }],
        },
      });
    }

    const online = [...verifier(who, generation), "--type=https://example.com/built"];
    for (const flags of [online, [...online, "--offline"]]) {
      await ok(generation, "verify-attestation", ...flags, ...trust(), image);
    }
  });
});

describe("sign-blob, with what vouches for it in files", () => {
  test.each(EVERY)("by a %s, generation %d", async (who, generation) => {
    const outputs = [
      ...["--bundle", at("bundle"), "--output-signature", at("sig")],
      ...["--output-certificate", at("crt"), "--rfc3161-timestamp", at("tsr.json")],
    ];
    await ok(generation, "sign-blob", ...signer(who, generation), ...outputs, at("blob"));

    const { base64Signature, cert, rekorBundle, ...rest } = JSON.parse(read("bundle"));
    expect(rest).toEqual({});
    expect(read("sig")).toBe(base64Signature);
    const signature = Buffer.from(base64Signature, "base64");
    checkTimestamp(read("tsr.json"), signature);
    // cosign 2 names no key in its bundles.
    if (who === "key") expect(cert).toBe(generation === 2 ? undefined : btoa(read("k.pub")));
    else expect([cert, atob(read("crt"))]).toEqual([read("crt"), atob(cert)]);
    const pem = who === "key" ? read("k.pub") : atob(cert);
    const { kind, spec } = promisedBody(rekorBundle);
    expect(kind).toBe("hashedrekord");
    expect(spec.data.hash).toEqual({
      algorithm: "sha256",
      value: sha256(readFileSync(at("blob"))),
    });
    expect(spec.signature).toEqual({ content: base64Signature, publicKey: { content: btoa(pem) } });

    const online = [...verifier(who, generation), "--bundle", at("bundle"), at("blob")];
    await ok(generation, "verify-blob", ...online);
    await ok(generation, "verify-blob", "--offline", ...online);
  });
});

describe("attest-blob, with what vouches for it in files", () => {
  test.each(EVERY)("by a %s, generation %d", async (who, generation) => {
    const outputs = [
      ...["--bundle", at("bundle"), "--output-signature", at("sig")],
      ...["--rfc3161-timestamp-bundle", at("tsr.json")],
    ];
    const predicate = ["--type=https://example.com/built", "--predicate", at("predicate.json")];
    const words = [...signer(who, generation), ...predicate, ...outputs, at("blob")];
    await ok(generation, "attest-blob", ...words);

    const { base64Signature, cert, rekorBundle } = JSON.parse(read("bundle"));
    const envelope = Buffer.from(base64Signature, "base64");
    checkTimestamp(read("tsr.json"), envelope);
    expect(JSON.parse(envelope.toString()).payloadType).toBe("application/vnd.in-toto+json");
    expect(promisedBody(rekorBundle).kind).toBe(generation === 1 ? "intoto" : "dsse");
    if (who === "certificate") checkCertificate(atob(cert));

    const type = "--type=https://example.com/built";
    const bundle = ["--bundle", at("bundle"), at("blob")];
    const online = [...verifier(who, generation), ...trust(), type, ...bundle];
    await ok(generation, "verify-blob-attestation", ...online);
    const stamped = ["--use-signed-timestamps", "--rfc3161-timestamp", at("tsr.json")];
    await ok(generation, "verify-blob-attestation", ...stamped, ...online);
    await ok(generation, "verify-blob-attestation", "--offline", ...online);
  });
});
