import * as v from "valibot";
import { CosignError, type PluginContext } from "../../engine/plugin_host/contract.ts";
import type { AlibabaKeys } from "./signature.ts";
import { canonicalQuery } from "./signature.ts";

const roleSchema = v.looseObject({
  Credentials: v.looseObject({
    AccessKeyId: v.string(),
    AccessKeySecret: v.string(),
    SecurityToken: v.string(),
  }),
});
const refusalSchema = v.looseObject({ Code: v.string() });

/**
 * The keys in the environment, or those of the role of a pod (RRSA: its OpenID Connect token is exchanged).
 *
 * @returns Nothing when there is nobody to be.
 * @throws {CosignError} `KEY_SERVICE_AUTH`, `KEY_SERVICE_…`, `FILE_READ`.
 */
export async function findKeys(
  region: string,
  context: PluginContext,
): Promise<AlibabaKeys | undefined> {
  const {
    ALIBABA_CLOUD_ACCESS_KEY_ID: id,
    ALIBABA_CLOUD_ACCESS_KEY_SECRET: secret,
    ALIBABA_CLOUD_SECURITY_TOKEN: token,
    ALIBABA_CLOUD_ROLE_ARN: role,
    ALIBABA_CLOUD_OIDC_PROVIDER_ARN: provider,
    ALIBABA_CLOUD_OIDC_TOKEN_FILE: file,
  } = context.env;
  if (id && secret) return { id, secret, ...(token ? { securityToken: token } : {}) };
  if (!role || !provider || !file) return undefined;
  const assertion = new TextDecoder().decode(await context.readFile(file)).trim();
  context.secret(assertion);
  const response = await context.fetch(`https://sts.${region}.aliyuncs.com/`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: canonicalQuery({
      Action: "AssumeRoleWithOIDC",
      Format: "JSON",
      Version: "2015-04-01",
      Timestamp: `${new Date().toISOString().slice(0, 19)}Z`,
      SignatureNonce: crypto.randomUUID(),
      RoleArn: role,
      OIDCProviderArn: provider,
      OIDCToken: assertion,
      RoleSessionName: "cosign-ts",
    }),
  });
  const text = await response.text();
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), roleSchema), text);
  if (response.ok && parsed.success) {
    const { AccessKeyId, AccessKeySecret, SecurityToken } = parsed.output.Credentials;
    for (const each of [AccessKeySecret, SecurityToken]) context.secret(each);
    return { id: AccessKeyId, secret: AccessKeySecret, securityToken: SecurityToken };
  }
  throw refused("The role of this pod cannot be assumed", response.status, text);
}

/** The error for an answer of Alibaba Cloud's that is no success, by the code in it. */
export function refused(what: string, status: number, text: string): CosignError {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), refusalSchema), text);
  const said = parsed.success ? parsed.output.Code.slice(0, 100) : `HTTP ${status}`;
  if (status >= 500) return new CosignError("KEY_SERVICE_UNAVAILABLE", `${what}: ${said}`);
  return new CosignError("KEY_SERVICE_AUTH", `${what}: ${said}`, {
    hint: "Check ALIBABA_CLOUD_ACCESS_KEY_ID and its secret, or the role of the pod, and that it may call cr:GetAuthorizationToken",
  });
}
