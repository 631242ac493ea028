import { encodePem, parsePem } from "../../engine/crypto/pem.ts";
import { layerMaterial } from "../../engine/formats/layer_material.ts";
import { ANNOTATION } from "../../engine/formats/media_types.ts";
import { encodeBase64, parseBase64Either } from "../../engine/model/bytes.ts";
import type { Digest } from "../../engine/model/digest.ts";
import { CosignError } from "../../engine/model/errors.ts";
import type { SignerPolicy, VerifiedSigner } from "../../engine/verify/signer.ts";
import { verify } from "../../engine/verify/verify.ts";
import { readVector, readVectorText } from "../support/vectors.ts";
import type { Tree } from "./_mutations.ts";

/** A signature at a `.sig` tag that cosign wrote, as a tree whose parts can be changed. */
export interface LegacyLayer {
  readonly tree: Tree;
  /** Of the image. */
  readonly digest: Digest;
}

const REF_NAME = "org.opencontainers.image.ref.name";
/** The image that has several signatures. */
const IMAGES: Readonly<Record<string, Digest>> = {
  "r1-legacy-native":
    "sha256:69cb8d9ceb330e4bec2cd0870a31645b3708b0cf160aec8dd98308b590713f72" as Digest,
  "legacy-native":
    "sha256:68a7e807956def76f79f970f9052e797fa5c84e8c17921776415d48bbe6376e6" as Digest,
};

/** Reads a layer of the `.sig` manifest in a packed layout. @param number From 0. */
export function legacyLayer(layout: string, number: number): LegacyLayer {
  const prefix = `layouts/${layout}/`;
  const digest = IMAGES[layout];
  if (digest === undefined) throw new RangeError(layout);
  const { manifests } = JSON.parse(readVectorText(`${prefix}index.json`, "keyless"));
  const tag = `${digest.replace(":", "-")}.sig`;
  const entry = manifests.find(
    (each: { annotations?: Record<string, string> }) => each.annotations?.[REF_NAME] === tag,
  );
  const blobPath = (of: string) => `${prefix}blobs/${of.replace(":", "/")}`;
  const manifest = JSON.parse(readVectorText(blobPath(entry.digest), "keyless"));
  const { annotations, digest: payload } = manifest.layers[number];
  return {
    digest,
    tree: {
      payload: encodeBase64(readVector(blobPath(payload), "keyless")),
      signature: annotations[ANNOTATION.signature],
      certificate: encodeBase64(parsePem(annotations[ANNOTATION.certificate]).bytes),
      chain: annotations[ANNOTATION.chain],
      ...parsed("bundle", annotations[ANNOTATION.rekorBundle]),
      ...parsed("timestamp", annotations[ANNOTATION.timestamp]),
    },
  };
}

/**
 * Verifies such a tree as a signature of an image.
 *
 * @throws {CosignError} `BUNDLE_INVALID` when it is none, or as `verify()`.
 */
export function verifyLayer(tree: Tree, digest: Digest, policy: SignerPolicy): VerifiedSigner {
  const { payload, signature, certificate, chain, bundle, timestamp } = fieldsOf(tree);
  const annotations = {
    [ANNOTATION.certificate]: pemOf(certificate),
    [ANNOTATION.chain]: textOf(chain),
    [ANNOTATION.rekorBundle]: textOf(bundle),
    [ANNOTATION.timestamp]: textOf(timestamp),
  };
  const source = { place: "signature-tag", manifestDigest: digest, layerDigest: digest } as const;
  const material = layerMaterial(annotations);
  const content = {
    kind: "simple-signing",
    payload: bytesOf(payload),
    signature: bytesOf(signature),
  } as const;
  const { signer } = verify({ source, content, material }, "image", digest, {
    ...policy,
    annotations: {},
    checkClaims: true,
  });
  return signer;
}

function parsed(name: string, json: string | undefined): { readonly [name: string]: Tree } {
  return json === undefined ? {} : { [name]: JSON.parse(json) };
}

function fieldsOf(tree: Tree): { readonly [name: string]: Tree | undefined } {
  return typeof tree === "object" && tree !== null && !Array.isArray(tree)
    ? (tree as { readonly [name: string]: Tree })
    : {};
}

function textOf(part: Tree | undefined): string {
  if (part === undefined) return "";
  return typeof part === "string" ? part : JSON.stringify(part);
}

function pemOf(part: Tree | undefined): string {
  return part === undefined ? "" : encodePem("CERTIFICATE", bytesOf(part));
}

function bytesOf(part: Tree | undefined): Uint8Array {
  try {
    return parseBase64Either(textOf(part));
  } catch (cause) {
    throw new CosignError("BUNDLE_INVALID", "no base64", { cause });
  }
}
