import discovery from "./cloudkms_v1.json" with { type: "json" };

interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly $ref?: string;
  readonly enum?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
}

/** A method of Cloud KMS, as Google's discovery document describes it. */
export interface KmsMethod {
  readonly id: string;
  readonly query: readonly string[];
  /** Of the path, in its order. */
  readonly ids: readonly string[];
  readonly request?: string;
  readonly response: string;
}

const schemas: Readonly<Record<string, Schema>> = discovery.schemas;
/** Parameters of every method. */
const COMMON = new Set(["alt", "fields", "key", "prettyPrint", "quotaUser", "$.xgafv"]);
const BASE64 = /^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}(?:==)?|[A-Za-z0-9+/_-]{3}=?)?$/;

/** The method that a request is for; nothing when Cloud KMS has none like it. */
export function findMethod(verb: string, url: URL): KmsMethod | undefined {
  for (const [id, method] of Object.entries(discovery.methods)) {
    if (method.httpMethod !== verb) continue;
    const pattern = method.flatPath.replaceAll(/\{\w+\}/g, "([^/:]+)");
    const found = new RegExp(`^/${pattern}$`).exec(decodeURIComponent(url.pathname));
    if (found === null) continue;
    return {
      id,
      query: method.query,
      ids: found.slice(1),
      response: method.response,
      ...("request" in method ? { request: method.request } : {}),
    };
  }
  return undefined;
}

/** A parameter that the method does not have. */
export function findUnknownParameter(method: KmsMethod, url: URL): string | undefined {
  return [...url.searchParams.keys()].find(
    (name) => !method.query.includes(name) && !COMMON.has(name),
  );
}

/** What of `value` is not as the schema says; nothing when all is. */
export function findProblem(value: unknown, name: string): string | undefined {
  return problemOf(value, { $ref: name }, "");
}

function problemOf(value: unknown, schema: Schema, path: string): string | undefined {
  if (schema.$ref !== undefined) return problemOf(value, schemas[schema.$ref] ?? {}, path);
  const wrong = `Invalid value at '${path}' (${schema.format ?? schema.type}), ${JSON.stringify(value)}`;
  switch (schema.type) {
    case "object": {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return wrong;
      for (const [name, each] of Object.entries(value)) {
        const known = schema.properties?.[name] ?? schema.additionalProperties;
        const where = path === "" ? name : `${path}.${name}`;
        if (known === undefined) {
          return `Unknown name "${name}"${path === "" ? "" : ` at '${path}'`}: Cannot find field.`;
        }
        const problem = problemOf(each, known, where);
        if (problem !== undefined) return problem;
      }
      return undefined;
    }
    case "array":
      if (!Array.isArray(value)) return wrong;
      return value
        .map((each) => problemOf(each, schema.items ?? {}, path))
        .find((problem) => problem !== undefined);
    case "string":
      return isText(value, schema) ? undefined : wrong;
    default:
      return typeof value === schema.type || (schema.type === "integer" && Number.isInteger(value))
        ? undefined
        : wrong;
  }
}

function isText(value: unknown, schema: Schema): boolean {
  if (typeof value !== "string") return false;
  if (schema.enum !== undefined) return schema.enum.includes(value);
  if (schema.format === "int64") return /^-?\d{1,19}$/.test(value);
  if (schema.format === "byte") return BASE64.test(value);
  return true;
}
