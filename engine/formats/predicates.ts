import type { Generation } from "../model/exit_code.ts";
import { isObject, sortKeys } from "./go_json.ts";
import { type Field, reshape, type Shape, type ShapeRules } from "./go_struct.ts";
import { encodeGoValue, GoMap, type GoValue } from "./go_value.ts";
import type { Statement } from "./in_toto.ts";
import { parseStrictJson } from "./strict_json.ts";

const CUSTOM = "https://cosign.sigstore.dev/attestation/v1";
const VULN = "https://cosign.sigstore.dev/attestation/vuln/v1";

/** The short names of predicate types, and what they stand for. */
export const PREDICATE_TYPES: ReadonlyMap<string, string> = new Map([
  ["custom", CUSTOM],
  ["slsaprovenance", "https://slsa.dev/provenance/v0.2"],
  ["slsaprovenance02", "https://slsa.dev/provenance/v0.2"],
  ["slsaprovenance1", "https://slsa.dev/provenance/v1"],
  ["spdx", "https://spdx.dev/Document"],
  ["spdxjson", "https://spdx.dev/Document"],
  ["cyclonedx", "https://cyclonedx.org/bom"],
  ["link", "https://in-toto.io/Link/v1"],
  ["vuln", VULN],
  ["openvex", "https://openvex.dev/ns"],
]);

/**
 * The URI of a predicate type that is to be written. 1.x writes those of `custom` and `vuln` without
 * `https://`.
 *
 * @param type A short name, or a URI.
 * @throws {SyntaxError} `invalid predicate type: …`.
 */
export function predicateUri(type: string, generation: Generation): string {
  const uri = PREDICATE_TYPES.get(type);
  if (uri !== undefined) return generation === 1 ? withoutScheme(type, uri) : uri;
  // As Go's url.ParseRequestURI: an absolute URI, or an absolute path.
  if (/^(?:\/|[A-Za-z][A-Za-z0-9+.-]*:\S)\S*$/.test(type)) return type;
  throw new SyntaxError(`invalid predicate type: ${type}`);
}

/** The URIs that satisfy a predicate type which is asked for: both spellings of `custom` and `vuln`. */
export function acceptedPredicateUris(type: string): readonly string[] {
  const uri = PREDICATE_TYPES.get(type);
  if (uri === undefined) return [type];
  const old = withoutScheme(type, uri);
  return old === uri ? [uri] : [uri, old];
}

/**
 * Makes a predicate of a file's text as a generation of cosign does: wrapped, checked, and what the
 * type does not know left out.
 *
 * @param type As it was asked for: the short name decides how the file is read.
 * @returns its JSON.
 * @throws {SyntaxError} naming the field that is missing or does not fit.
 */
export function makePredicate(
  type: string,
  file: string,
  generation: Generation,
  now: Date,
): string {
  return encodeGoValue(predicateOf(type, file, generation, now));
}

function predicateOf(type: string, file: string, generation: Generation, now: Date): GoValue {
  const rules: ShapeRules = generation === 3 ? "proto" : "go";
  // A struct of Go keeps the order of its fields, a message is written by its names.
  const inOrder = (value: GoValue): GoValue => (generation === 3 ? new GoMap(value) : value);
  switch (type) {
    case "slsaprovenance":
    case "slsaprovenance02": {
      const json = objectOf(file);
      if (rules === "go") demandFields(json, ["builder", "buildType"], "provenance predicate");
      return within("unmarshal Provenance predicate", () =>
        inOrder(reshape(json, SLSA_02[rules], rules)),
      );
    }
    case "slsaprovenance1": {
      const json = objectOf(file);
      if (rules === "go") {
        demandFields(json, ["buildDefinition", "runDetails"], "provenance predicate");
        return within("unmarshal Provenance predicate", () => reshape(json, SLSA_1.go, rules));
      }
      const renamed = renameInvocation(json);
      return within("unmarshal Provenance predicate", () =>
        inOrder(reshape(renamed, SLSA_1.proto, rules)),
      );
    }
    case "link": {
      const json = objectOf(file);
      demandFields(
        json,
        LINK.fields.map(({ name }) => name),
        "link statement",
      );
      return within("unmarshal Link statement", () => inOrder(reshape(json, LINK, "go")));
    }
    case "vuln":
      return within("unmarshal vuln predicate", () =>
        inOrder(reshape(objectOf(file), VULN_SHAPE, "go")),
      );
    case "spdx":
      return generation === 1 ? wrapped(file, "") : file;
    case "spdxjson":
    case "cyclonedx":
    case "openvex": {
      const json = new GoMap(generation === 3 ? objectOf(file) : parseStrictJson(file));
      return generation === 1 && type !== "openvex" ? wrapped(json, "") : json;
    }
    default: {
      if (predicateUri(type, generation) === predicateUri("custom", generation)) {
        return wrapped(file, `${now.toISOString().slice(0, 19)}Z`);
      }
      return within(
        `invalid JSON payload for predicate type ${type}`,
        () => new GoMap(objectOf(file)),
      );
    }
  }
}

/**
 * A statement as policies see it: of the types that cosign has structs for, what those do not have is
 * left out of the predicate.
 *
 * @param type As it was asked for.
 * @throws {SyntaxError} naming the field that does not fit.
 */
export function policyInput(type: string, { type: _type, ...statement }: Statement): string {
  const { predicateType, subjects, predicate } = statement;
  const subject = subjects.map(({ name, digest }) => ({ name, digest: sortKeys(digest) }));
  const shape = POLICY_SHAPES.get(type);
  return encodeGoValue({
    _type,
    predicateType,
    subject,
    predicate: shape === undefined ? new GoMap(predicate ?? null) : reshape(predicate, shape, "go"),
  });
}

function withoutScheme(type: string, uri: string): string {
  return type === "custom" || type === "vuln" ? uri.slice("https://".length) : uri;
}

function wrapped(data: GoValue, timestamp: string): GoValue {
  return { Data: data, Timestamp: timestamp };
}

function objectOf(file: string): Record<string, unknown> {
  const json = parseStrictJson(file);
  if (!isObject(json)) throw new SyntaxError("the predicate is no JSON object");
  return json;
}

function demandFields(json: object, names: readonly string[], what: string): void {
  const missing = names.find((name) => !Object.hasOwn(json, name));
  if (missing !== undefined) throw new SyntaxError(`${what}: required field ${missing} missing`);
}

/** 3.1 knows this field of SLSA 1 by another spelling than in-toto's Go library had. */
function renameInvocation(json: Record<string, unknown>): Record<string, unknown> {
  const { runDetails } = json;
  if (!isObject(runDetails) || !isObject(runDetails["metadata"])) return json;
  const { invocationID, ...metadata } = runDetails["metadata"];
  if (invocationID === undefined) return json;
  const renamed = { ...metadata, invocationId: invocationID };
  return { ...json, runDetails: { ...runDetails, metadata: renamed } };
}

function within<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new SyntaxError(`${what}: ${cause.message}`, { cause });
  }
}

const must = (name: string, shape: Shape): Field => ({ name, shape });
const may = (name: string, shape: Shape): Field => ({ name, shape, optional: true });
const TEXTS: Shape = { map: "text" };
const PARTS: readonly ["parameters", "environment", "materials"] = [
  "parameters",
  "environment",
  "materials",
];

/** SLSA provenance 0.2, by the names that each library gives its fields. */
function slsa02(invocationId: string, free: Shape): Shape {
  const source: Shape = {
    fields: [may("uri", "text"), may("digest", TEXTS), may("entryPoint", "text")],
  };
  const metadata: Shape = {
    fields: [
      may(invocationId, "text"),
      may("buildStartedOn", { pointer: "time" }),
      may("buildFinishedOn", { pointer: "time" }),
      must("completeness", { fields: PARTS.map((name) => must(name, "bool")) }),
      must("reproducible", "bool"),
    ],
  };
  return {
    fields: [
      must("builder", { fields: [must("id", "text")] }),
      must("buildType", "text"),
      may("invocation", {
        fields: [may("configSource", source), may("parameters", free), may("environment", free)],
      }),
      may("buildConfig", free),
      may("metadata", { pointer: metadata }),
      may("materials", { list: { fields: [may("uri", "text"), may("digest", TEXTS)] } }),
    ],
  };
}

/** SLSA provenance 1, by the names that each library gives its fields. */
function slsa1(invocationId: string, free: Shape): Shape {
  const resource: Shape = {
    fields: [
      may("uri", "text"),
      may("digest", TEXTS),
      may("name", "text"),
      may("downloadLocation", "text"),
      may("mediaType", "text"),
      may("content", "bytes"),
      may("annotations", "object"),
    ],
  };
  const metadata: Shape = {
    fields: [
      may(invocationId, "text"),
      may("startedOn", { pointer: "time" }),
      may("finishedOn", { pointer: "time" }),
    ],
  };
  const builder: Shape = {
    fields: [
      must("id", "text"),
      may("version", TEXTS),
      may("builderDependencies", { list: resource }),
    ],
  };
  return {
    fields: [
      must("buildDefinition", {
        fields: [
          must("buildType", "text"),
          must("externalParameters", free),
          may("internalParameters", free),
          may("resolvedDependencies", { list: resource }),
        ],
      }),
      must("runDetails", {
        fields: [
          must("builder", builder),
          may("metadata", metadata),
          may("byproducts", { list: resource }),
        ],
      }),
    ],
  };
}

const SLSA_02: Readonly<Record<ShapeRules, Shape>> = {
  go: slsa02("buildInvocationID", "any"),
  proto: slsa02("buildInvocationId", "object"),
};
const SLSA_1: Readonly<Record<ShapeRules, Shape>> = {
  go: slsa1("invocationID", "any"),
  proto: slsa1("invocationId", "object"),
};

const LINK: { readonly fields: readonly Field[] } = {
  fields: [
    must("_type", "text"),
    must("name", "text"),
    must("materials", { map: "any" }),
    must("products", { map: "any" }),
    must("byproducts", { map: "any" }),
    must("command", { list: "text" }),
    must("environment", { map: "any" }),
  ],
};

const VERSIONED: readonly Field[] = [must("uri", "text"), must("version", "text")];
const VULN_SHAPE: Shape = {
  fields: [
    must("invocation", {
      fields: [
        must("parameters", "any"),
        must("uri", "text"),
        must("event_id", "text"),
        must("builder.id", "text"),
      ],
    }),
    must("scanner", {
      fields: [...VERSIONED, must("db", { fields: VERSIONED }), must("result", "any")],
    }),
    must("metadata", {
      fields: [must("scanStartedOn", "time"), must("scanFinishedOn", "time")],
    }),
  ],
};

const POLICY_SHAPES: ReadonlyMap<string, Shape> = new Map([
  ["slsaprovenance", SLSA_02.go],
  ["slsaprovenance02", SLSA_02.go],
  ["slsaprovenance1", SLSA_1.go],
  ["link", LINK],
  ["vuln", VULN_SHAPE],
]);
