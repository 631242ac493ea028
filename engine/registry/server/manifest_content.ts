import { isObject } from "../../formats/go_json.ts";
import { MEDIA } from "../../formats/media_types.ts";
import { isIndex } from "../../formats/oci_manifest.ts";
import { parseUtf8 } from "../../model/bytes.ts";
import { type Digest, isDigest } from "../../model/digest.ts";
import { Refusal } from "./refusal.ts";

/** What the registry reads out of a manifest. */
export interface ManifestContent {
  readonly mediaType: string;
  /** The digest of its `subject`. */
  readonly subject?: Digest;
  /** As a referrers listing shows it: the manifest's own, else an image's config media type. */
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/i; // RFC 6838 §4.2

/**
 * Reads a manifest. Images and indexes must be what they say; anything else is kept if it is a JSON object.
 *
 * @param bytes Attacker-controlled, at most as long as the registry accepts.
 * @param contentType The header that came with it; the manifest's own `mediaType` stands in for it.
 * @throws {Refusal} 400 `MANIFEST_INVALID`.
 */
export function parseManifestContent(
  bytes: Uint8Array,
  contentType: string | undefined,
): ManifestContent {
  const manifest = parseObject(bytes);
  const said = manifest["mediaType"];
  const mediaType = contentType?.split(";")[0]?.trim() || said;
  if (typeof mediaType !== "string" || !MEDIA_TYPE.test(mediaType)) {
    throw invalid("neither Content-Type nor mediaType say what it is");
  }
  if (said !== undefined && said !== mediaType) {
    throw invalid(`mediaType is ${JSON.stringify(said)}, Content-Type is "${mediaType}"`);
  }
  if (mediaType === MEDIA.ociManifest || mediaType === MEDIA.dockerManifest) checkImage(manifest);
  if (isIndex(mediaType)) checkIndex(manifest);
  const subject = manifest["subject"];
  if (subject !== undefined && subject !== null) checkDescriptor(subject, "subject");
  const artifactType = artifactTypeOf(manifest);
  const annotations = annotationsOf(manifest);
  return {
    mediaType,
    ...(isObject(subject) && isDigestValue(subject["digest"]) && { subject: subject["digest"] }),
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}

function checkImage(manifest: JsonObject): void {
  checkVersion(manifest);
  // An image that is an index too would be one thing to one client and another to the next (GHSA-qq97-vm5h-rrhg).
  if (manifest["manifests"] !== undefined) throw invalid("an image has no manifests");
  checkDescriptor(manifest["config"], "config");
  checkDescriptors(manifest["layers"], "layers");
}

function checkIndex(manifest: JsonObject): void {
  checkVersion(manifest);
  if (manifest["config"] !== undefined || manifest["layers"] !== undefined) {
    throw invalid("an index has neither config nor layers");
  }
  checkDescriptors(manifest["manifests"], "manifests");
}

function checkVersion(manifest: JsonObject): void {
  if (manifest["schemaVersion"] !== 2) throw invalid("schemaVersion is not 2");
}

function checkDescriptors(value: unknown, where: string): void {
  if (value === null) return; // what Go writes for an empty list
  if (!Array.isArray(value)) throw invalid(`${where} is not a list`);
  for (const [at, descriptor] of value.entries()) checkDescriptor(descriptor, `${where}[${at}]`);
}

function checkDescriptor(value: unknown, where: string): void {
  if (!isObject(value)) throw invalid(`${where} is not a descriptor`);
  if (!isDigestValue(value["digest"])) throw invalid(`${where}.digest is not a digest`);
  if (typeof value["mediaType"] !== "string") throw invalid(`${where}.mediaType is not a text`);
  const size = value["size"];
  if (!Number.isSafeInteger(size) || Number(size) < 0) throw invalid(`${where}.size is not a size`);
}

function artifactTypeOf(manifest: JsonObject): string | undefined {
  const own = manifest["artifactType"];
  if (typeof own === "string" && own !== "") return own;
  const config = manifest["config"];
  const type = isObject(config) ? config["mediaType"] : undefined;
  return typeof type === "string" ? type : undefined;
}

function annotationsOf(manifest: JsonObject): Record<string, string> | undefined {
  const annotations = manifest["annotations"];
  if (!isObject(annotations)) return undefined;
  return Object.fromEntries(
    Object.entries(annotations).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}

type JsonObject = Readonly<Record<string, unknown>>;

function parseObject(bytes: Uint8Array): JsonObject {
  try {
    const value: unknown = JSON.parse(parseUtf8(bytes));
    if (isObject(value)) return value;
  } catch {}
  throw invalid("it is not a JSON object");
}

function isDigestValue(value: unknown): value is Digest {
  return typeof value === "string" && isDigest(value);
}

function invalid(why: string): Refusal {
  return new Refusal(400, "MANIFEST_INVALID", `manifest invalid: ${why}`);
}
