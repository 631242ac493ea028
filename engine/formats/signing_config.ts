import { utf8 } from "../model/bytes.ts";
import type { Json } from "./go_json.ts";
import { type ProtobufMessage, parseProtobufJson } from "./protobuf_json.ts";
import type { Validity } from "./trusted_root.ts";
import { encodeValidity, parseValidity } from "./validity_json.ts";

/** Which services may be asked to sign, and how many of them (protobuf-specs, `sigstore_trustroot.proto`). */
export interface SigningConfig {
  /** Authorities that issue certificates for signing: Fulcio. */
  readonly certificateAuthorities: readonly Service[];
  readonly oidcProviders: readonly Service[];
  /** Transparency logs: Rekor. */
  readonly logs: readonly Service[];
  readonly logChoice: ServiceChoice;
  readonly timestampAuthorities: readonly Service[];
  readonly timestampChoice: ServiceChoice;
}

/** A service, and when it may be used. */
export interface Service {
  /** `http://` or `https://`. */
  readonly url: string;
  /** The version of its API that is spoken there. */
  readonly majorVersion: number;
  readonly validFor: Validity;
  /** Whoever runs it: two of one operator vouch for no more than one of them. */
  readonly operator: string;
}

/** How many of the services are used. `undefined` is what is written where there are none. */
export type ServiceChoice =
  | { readonly selector: "undefined" | "all" | "any" }
  | { readonly selector: "exact"; readonly count: number };

/** The only version that names operators and versions of APIs. */
export const SIGNING_CONFIG_TYPE = "application/vnd.dev.sigstore.signingconfig.v0.2+json";

const SELECTORS = ["SERVICE_SELECTOR_UNDEFINED", "ALL", "ANY", "EXACT"] as const;
const MAX_SERVICES = 64; // of each kind: Sigstore's own config has 2
const MAX_VERSION = 2 ** 32 - 1;
const MAX_TEXT = 2048; // characters of a URL or an operator

/**
 * Reads a signing config of version 0.2.
 *
 * @throws {SyntaxError} when it is none, has a field that is not known, or is of another version:
 * 0.1 named no validity and no versions, and cosign refuses it, too.
 */
export function parseSigningConfig(bytes: Uint8Array): SigningConfig {
  const config = parseProtobufJson(bytes, "The signing config").only(
    "mediaType",
    "caUrls",
    "oidcUrls",
    "rekorTlogUrls",
    "rekorTlogConfig",
    "tsaUrls",
    "tsaConfig",
  );
  const mediaType = config.text("mediaType");
  if (mediaType !== SIGNING_CONFIG_TYPE) {
    throw new SyntaxError(
      `The signing config has the media type ${JSON.stringify(mediaType.slice(0, 120))}, expected ${SIGNING_CONFIG_TYPE}`,
    );
  }
  const services = (name: string) => config.messages(name, MAX_SERVICES).map(parseService);
  return {
    certificateAuthorities: services("caUrls"),
    oidcProviders: services("oidcUrls"),
    logs: services("rekorTlogUrls"),
    logChoice: parseChoice(config.message("rekorTlogConfig")),
    timestampAuthorities: services("tsaUrls"),
    timestampChoice: parseChoice(config.message("tsaConfig")),
  };
}

/** Encodes a signing config as cosign does: protobuf's JSON, the fields that hold something. */
export function encodeSigningConfig(config: SigningConfig): Uint8Array {
  const services = (name: string, list: readonly Service[]) =>
    list.length === 0 ? {} : { [name]: list.map(serviceJson) };
  return utf8(
    JSON.stringify({
      mediaType: SIGNING_CONFIG_TYPE,
      ...services("caUrls", config.certificateAuthorities),
      ...services("oidcUrls", config.oidcProviders),
      ...services("rekorTlogUrls", config.logs),
      rekorTlogConfig: choiceJson(config.logChoice),
      ...services("tsaUrls", config.timestampAuthorities),
      tsaConfig: choiceJson(config.timestampChoice),
    }),
  );
}

function parseService(service: ProtobufMessage): Service {
  service.only("url", "majorApiVersion", "validFor", "operator");
  const url = service.text("url");
  const operator = service.text("operator");
  const majorVersion = service.count("majorApiVersion");
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url) || url.length > MAX_TEXT) {
    throw new SyntaxError(
      `The signing config names ${JSON.stringify(url.slice(0, 200))}, which is no URL of http or https`,
    );
  }
  if (operator.length > MAX_TEXT || majorVersion > MAX_VERSION) {
    throw new SyntaxError(`The signing config has a too long operator or version for "${url}"`);
  }
  return { url, majorVersion, validFor: parseValidity(service.message("validFor")), operator };
}

function parseChoice(choice: ProtobufMessage | undefined): ServiceChoice {
  choice?.only("selector", "count");
  switch (choice?.member("selector", SELECTORS)) {
    case "ALL":
      return { selector: "all" };
    case "ANY":
      return { selector: "any" };
    case "EXACT":
      return { selector: "exact", count: choice.count("count") };
    default:
      return { selector: "undefined" };
  }
}

function serviceJson({ url, majorVersion, validFor, operator }: Service): Json {
  return {
    url,
    ...(majorVersion === 0 ? {} : { majorApiVersion: majorVersion }),
    validFor: encodeValidity(validFor),
    ...(operator === "" ? {} : { operator }),
  };
}

function choiceJson(choice: ServiceChoice): Json {
  if (choice.selector === "undefined") return {};
  const selector = choice.selector.toUpperCase();
  const count = choice.selector === "exact" ? choice.count : 0;
  return count === 0 ? { selector } : { selector, count };
}
